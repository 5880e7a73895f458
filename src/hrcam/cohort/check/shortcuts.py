"""Whether columns, identifiers or properties of the images tell the class by themselves."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hrcam.artifacts.shortcut_table import ALL, ShortcutRow
from hrcam.cohort.facts import ScanFacts
from hrcam.cohort.problems import Problem, Reason
from hrcam.cohort.reasons import problem
from hrcam.cohort.scan import Scan
from hrcam.cohort.shortcuts import Division, cohort_sources, is_enough, measure_shortcuts
from hrcam.cohort.splits import make_folds
from hrcam.errors import InputError
from hrcam.evaluation.estimate import with_interval

_FOLDS, _RESAMPLES = 5, 500


def shortcut_problems(
    scans: Sequence[Scan],
    facts: Mapping[str, ScanFacts],
    voxel_hashes: Mapping[str, str],
    known: Collection[str] = (),
) -> list[Problem]:
    """Find what separates the classes by itself: a logistic regression, cross-validated.

    Parameters
    ----------
    scans
        Scans that can be used, with labels.
    facts, voxel_hashes
        By the name of the scan.
    known
        Sources that something else has warned of.

    Returns
    -------
    list of Problem
        A warning for each such column, kind of identifier and property of the images; none for a
        cohort that is too small to tell.
    """
    if not is_enough(scans):
        return []
    sources = [each for each in cohort_sources(scans, facts) if each.name not in known]
    if not sources:
        return []
    try:
        folds = make_folds(
            [replace(scan, split=None) for scan in scans],
            voxel_hashes,
            folds=_FOLDS,
            validation=0,
        )
    except InputError:  # too few that are independent
        return []
    places = {scan.name: place for place, scan in enumerate(scans)}

    def at(names: Sequence[str]) -> NDArray[np.int64]:
        return np.array([places[name] for name in names])

    divisions = [Division(at(fold.train), at(fold.test)) for fold in folds]
    classes = sorted({str(scan.label) for scan in scans})
    rows = measure_shortcuts(sources, scans, classes, divisions, resamples=_RESAMPLES)
    names = {source.name for source in sources}
    # Of the mean over classes and the class that is told best, the latter says more.
    strong = {row.source: row for row in rows if row.warned and row.source in names}
    return [
        problem("", "", Reason.SHORTCUT, _message(row, classes), refused=False)
        for row in strong.values()
    ]


def _message(row: ShortcutRow, classes: Sequence[str]) -> str:
    if row.class_name == ALL:
        told = "the classes" if len(classes) == 2 else f"the {len(classes)} classes"
    else:
        told = f"the class {row.class_name!r}"
    detail = f" ({row.detail})" if row.detail else ""
    return (
        f"the {row.source} alone tells {told}, with an AUC of "
        f"{with_interval(row.auc, row.low, row.high)} over {row.participants} participants or "
        f"groups{detail}"
    )
