"""What may tell the class without a look at the pathology: columns, identifiers, image properties.

Each source is a table of numbers for a logistic regression: numbers as they are, and a column of 0
and 1 for each value that several participants share. A value of one participant alone, as an
identifier, says nothing about others and has none.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hrcam.cohort.columns import read_numbers
from hrcam.cohort.facts import ScanFacts
from hrcam.cohort.scan import Scan
from hrcam.cohort.shortcuts.kinds import kind_of, prefix_of

SHARED = 3
"""Fewest participants or groups that share a value which is learnt from."""

_OFTEN = 0.1
"""Share of the participants that have a number which is learnt from as a category, too."""
_SHOWN = 4


@dataclass(frozen=True, eq=False)
class Source:
    """One source from which the class may be predicted.

    Attributes
    ----------
    name
        What it is: ``column age``, ``kind of group``, ``image size``.
    values
        Shape (N scans, F).
    detail
        How it differs between the classes, without identifiers.
    """

    name: str
    values: NDArray[np.float64]
    detail: str = ""


def cohort_sources(scans: Sequence[Scan], facts: Mapping[str, ScanFacts]) -> list[Source]:
    """Return the sources of a cohort that differ between its scans.

    Parameters
    ----------
    scans
        With labels.
    facts
        By the name of the scan.

    Returns
    -------
    list of Source
        Further columns of the table; the kinds of the identifiers, of which those that divide the
        scans alike are one; size, voxel size, format, orientation, encoding and border of the
        images.
    """
    columns = sorted({name for scan in scans for name in scan.columns})
    known = [facts[scan.name] for scan in scans]
    identifiers = {
        "participant_id": [scan.participant for scan in scans],
        "group": [scan.group for scan in scans],
        "file name": [next(iter(scan.images.values())).name for scan in scans],
    }
    found = [
        *(_column(name, [scan.columns.get(name) for scan in scans], scans) for name in columns),
        *_different(_kinds(f"kind of {name}", ids, scans) for name, ids in identifiers.items()),
        _numbers("image size", [one.shape for one in known], scans),
        _numbers("voxel size", [tuple(round(s, 3) for s in one.spacing) for one in known], scans),
        _texts(
            "format and orientation",
            [f"{one.format} {one.orientation}".strip() for one in known],
            scans,
        ),
        _texts("encoding", [one.encoding for one in known], scans),
        _border(known),
    ]
    return [source for source in found if source is not None and source.values.any()]


def _column(name: str, texts: Sequence[str | None], scans: Sequence[Scan]) -> Source | None:
    numbers = read_numbers(texts)
    if numbers is not None:
        return _numbers(f"column {name}", [(number,) for number in numbers], scans)
    given = {(scan.group, text) for scan, text in zip(scans, texts, strict=True) if text}
    if len({text for _, text in given}) > len(given) / 2:  # names of somebody or something
        return _kinds(f"kind of {name}", texts, scans)
    return _texts(f"column {name}", texts, scans)


def _kinds(name: str, identifiers: Sequence[str | None], scans: Sequence[Scan]) -> Source | None:
    classes = sorted({str(scan.label) for scan in scans})
    kinds = _texts(name, [kind_of(text or "", classes) for text in identifiers], scans)
    prefixes = _texts(name, [prefix_of(text or "", classes) for text in identifiers], scans)
    if kinds is None or prefixes is None:
        # Of prefixes, which may be initials, nothing is shown.
        return kinds or (None if prefixes is None else Source(name, prefixes.values))
    return Source(name, np.hstack([kinds.values, prefixes.values]), kinds.detail)


def _border(facts: Sequence[ScanFacts]) -> Source | None:
    if len({tuple(map(len, one.border)) for one in facts}) > 1 or not facts[0].border:
        return None
    table = np.array([one.border for one in facts]).reshape(len(facts), -1)
    return Source("border of the image", table) if np.ptp(table, axis=0).any() else None


def _texts(name: str, texts: Sequence[str | None], scans: Sequence[Scan]) -> Source | None:
    """Give each value that is shared by several groups a column of 0 and 1."""
    shared = _shared(texts, scans)
    if len(set(texts)) < 2 or not shared:
        return None
    columns = [[text == value for text in texts] for value in shared]
    return Source(name, np.array(columns, float).T, _counted(texts, shared, scans))


def _numbers(name: str, rows: Sequence[tuple[float, ...]], scans: Sequence[Scan]) -> Source | None:
    """Take numbers as they are, missing ones as the median, and values that are shared."""
    table = np.array(rows, float)
    missing = np.isnan(table).any(1)
    if len(set(rows)) < 2 or missing.all():
        return None
    table = np.where(np.isnan(table), np.nanmedian(table, axis=0), table)
    texts = [
        None if absent else " × ".join(f"{value:g}" for value in row)
        for row, absent in zip(rows, missing, strict=True)
    ]
    often = _OFTEN * len({scan.group for scan in scans})
    shared = _shared(texts, scans, often)
    columns = [[text == value for text in texts] for value in shared]
    few = len(set(texts)) <= _SHOWN
    detail = _counted(texts, shared, scans) if few else _medians(table[~missing], missing, scans)
    return Source(name, np.hstack([table, *(np.array([c], float).T for c in columns)]), detail)


def _shared(
    texts: Sequence[str | None], scans: Sequence[Scan], often: float = 0
) -> list[str | None]:
    """Return the values of several groups, and of as many as often, the most frequent first."""
    holders: defaultdict[str | None, set[str]] = defaultdict(set)
    for scan, text in zip(scans, texts, strict=True):
        holders[text].add(scan.group)
    enough = max(SHARED, often)
    counts = {text: len(groups) for text, groups in holders.items() if len(groups) >= enough}
    return sorted(counts, key=lambda text: (-counts[text], text or ""))


def _counted(
    texts: Sequence[str | None], shared: Sequence[str | None], scans: Sequence[Scan]
) -> str:
    """Count the groups of each class for the most frequent values."""
    groups = {(text, str(s.label), s.group) for s, text in zip(scans, texts, strict=True)}
    counts = Counter((text, label) for text, label, _ in groups)
    labels = sorted({label for _, label in counts})
    parts = []
    for text in shared[:_SHOWN]:
        of_class = ", ".join(f"{label} {n}" for label in labels if (n := counts[text, label]))
        parts.append(f"{'n/a' if text is None else text}: {of_class}")
    more = len(set(texts)) - _SHOWN
    return "; ".join([*parts, *([f"and {more} more"] if more > 0 else [])])


def _medians(table: NDArray[np.float64], missing: NDArray[np.bool_], scans: Sequence[Scan]) -> str:
    labels = np.array([str(scan.label) for scan in scans])[~missing]
    return "; ".join(
        f"{label}: median "
        + " × ".join(f"{value:.4g}" for value in np.median(table[labels == label], axis=0))
        for label in sorted(set(labels.tolist()))
    )


def _different(sources: Iterable[Source | None]) -> list[Source]:
    """Leave out sources that say the same as an earlier one."""
    kept: list[Source] = []
    for source in sources:
        if source is not None and not any(_same(source, other) for other in kept):
            kept.append(source)
    return kept


def _same(one: Source, other: Source) -> bool:
    return one.values.shape == other.values.shape and bool((one.values == other.values).all())
