"""How well the class is predicted without the network: a logistic regression on each source."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hrcam.artifacts.shortcut_table import ALL, ShortcutRow, Warned
from hrcam.cohort.scan import Scan
from hrcam.cohort.shortcuts.sources import Source
from hrcam.evaluation.estimate import Estimate, estimate_of
from hrcam.evaluation.prediction import resampled_auc

STRONG = 0.75
"""AUC from which a source separates a class by itself, if its interval is above 0.5 too."""

CLOSE = 0.05
"""A source predicts as well as the network if its AUC may be less than so much below it."""

ENOUGH, ENOUGH_OF_CLASS = 20, 5
"""Fewest participants or groups of all, and of each class, that this is measured on."""

EVERYTHING = "all of these"


@dataclass(frozen=True, eq=False)
class Division:
    """One fold of a cross-validation.

    Attributes
    ----------
    known, tested
        Places of the scans that are learnt from and that are tested.
    repeat
        Which cross-validation it is of.
    """

    known: NDArray[np.int64]
    tested: NDArray[np.int64]
    repeat: int = 1


def is_enough(scans: Iterable[Scan]) -> bool:
    """Tell whether there are enough participants or groups of each class."""
    groups: dict[str, set[str]] = {}
    for scan in scans:
        groups.setdefault(str(scan.label), set()).add(scan.group)
    sizes = [len(of_class) for of_class in groups.values()]
    return (
        len(sizes) > 1
        and min(sizes) >= ENOUGH_OF_CLASS
        and len(set().union(*groups.values())) >= ENOUGH
    )


def measure_shortcuts(
    sources: Sequence[Source],
    scans: Sequence[Scan],
    classes: Sequence[str],
    divisions: Sequence[Division],
    *,
    network: NDArray[np.float64] | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> list[ShortcutRow]:
    """Predict the class from each source alone, and from all together, on scans that are tested.

    The logistic regression weighs all classes alike, and learns from what the network learnt from.
    A source is warned of as "strong" where it tells a class with an AUC of `STRONG` or more, and
    "as the network" where the interval of its AUC is above 0.5 and the interval of the paired
    difference to the network reaches below `CLOSE`.

    Parameters
    ----------
    sources
        Each with a row of values for each scan.
    scans
        With labels.
    classes
        Names.
    divisions
        Who is learnt from and tested; each learns from all classes.
    network
        Its probabilities of the classes, shape (tested scans of all divisions, K); None to compare
        with none.
    resamples, seed
        Of the bootstrap over participants or groups.

    Returns
    -------
    list of ShortcutRow
        For each source the mean over the classes, and where there are more than two the class that
        it tells best.
    """
    everything = list(sources)
    if len(sources) > 1:
        together = np.hstack([source.values for source in sources])
        everything.append(Source(EVERYTHING, together))
    labels = np.array([classes.index(str(scan.label)) for scan in scans])
    tested = np.concatenate([division.tested for division in divisions])
    repeats = np.concatenate([np.full(len(d.tested), d.repeat) for d in divisions])
    groups = np.array([scan.group for scan in scans])[tested]

    def areas(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        return resampled_auc(
            labels[tested],
            probabilities,
            groups=groups,
            repeats=repeats,
            resamples=resamples,
            seed=seed,
        )

    counts = len(set(tested.tolist())), len(set(groups.tolist()))
    of_network = None if network is None else areas(network)
    return [
        row
        for source in everything
        for row in _rows(
            source,
            areas(_probabilities(source.values, labels, divisions)),
            of_network,
            classes,
            counts,
        )
    ]


def _probabilities(
    values: NDArray[np.float64], labels: NDArray[np.int64], divisions: Sequence[Division]
) -> NDArray[np.float64]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    found = []
    for division in divisions:
        # Balanced: an intercept would rank the scans of several folds by their shares of classes.
        model = make_pipeline(
            StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=1000)
        )
        model.fit(values[division.known], labels[division.known])
        found.append(model.predict_proba(values[division.tested]))
    return np.concatenate(found)


def _rows(
    source: Source,
    areas: NDArray[np.float64],
    network: NDArray[np.float64] | None,
    classes: Sequence[str],
    counts: tuple[int, int],
) -> Iterator[ShortcutRow]:
    columns = {ALL: areas.mean(1)}
    others = {ALL: None if network is None else network.mean(1)}
    if len(classes) > 2 and not np.isnan(areas[0]).all():
        best = int(np.nanargmax(areas[0]))
        columns[classes[best]] = areas[:, best]
        others[classes[best]] = None if network is None else network[:, best]
    for name, values in columns.items():
        found, other = estimate_of(values), others[name]
        difference = Estimate(None) if other is None else estimate_of(other - values)
        yield ShortcutRow(
            *(source.name, name, found.value, found.low, found.high),
            None if other is None else estimate_of(other).value,
            *(difference.value, difference.low, difference.high),
            _warned(found, difference),
            *counts,
            source.detail,
        )


def _warned(found: Estimate, difference: Estimate) -> Warned:
    # Where all resamples agree there is no interval.
    low = 1.0 if found.value == 1 else found.low
    if found.value is None or low is None or low <= 0.5:
        return ""
    least = difference.value if difference.low is None else difference.low
    if least is not None and least <= CLOSE:
        return "as the network"
    return "strong" if found.value >= STRONG else ""
