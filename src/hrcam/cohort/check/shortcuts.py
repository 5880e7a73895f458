"""Whether columns, identifiers or properties of the images tell the class by themselves."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from shlex import quote

import numpy as np
from numpy.typing import NDArray

from hrcam.artifacts.shortcut_table import ALL, ShortcutRow
from hrcam.cohort.columns import divided_by, read_numbers
from hrcam.cohort.facts import ScanFacts
from hrcam.cohort.leave_out import PLACES, check_left_out
from hrcam.cohort.problems import Problem, Reason
from hrcam.cohort.scan import Scan
from hrcam.cohort.shortcuts import Division, cohort_sources, is_enough, measure_shortcuts
from hrcam.cohort.splits import make_folds
from hrcam.errors import InputError
from hrcam.evaluation.estimate import with_interval

_FOLDS, _RESAMPLES = 5, 500
_REMEDIES = {
    "border of the image": "crop frames and marks, or ",
    "encoding": "export all images alike from their originals (a converted copy keeps the traces "
    "of a compression), or ",
}


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
        Problem(
            "",
            "",
            Reason.SHORTCUT,
            _message(row, classes),
            _advice(row.source, scans),
            refused=False,
        )
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


def _advice(source: str, scans: Sequence[Scan]) -> str:
    """Say how to test whether the network uses a source."""
    of_disease = "a score of the disease itself is no shortcut"
    column = source.removeprefix("column ")
    if column == source:
        alike = f"{_REMEDIES.get(source, '')}compare scans that are alike in the {source}"
        place = next((name for name in PLACES if _divides(scans, name)), None)
        if place is not None:
            return f"{_left_out(place, scans)}; or {alike}"
        return (
            f"{alike}; where a column says from which site, hospital or scanner scans come, "
            "`hrcam train --leave-out` tests each"
        )
    numeric = read_numbers([scan.columns.get(column) for scan in scans]) is not None
    if _is_allowed(check_left_out, scans, column) and (column in PLACES or not numeric):
        return f"{_left_out(column, scans)}; {of_disease}"
    score = f"score the network within its values: `hrcam train --by {quote(column)}`, or "
    by = score if _is_allowed(divided_by, scans, column) else ""
    return f"{by}compare scans of equal {column}; {of_disease}"


def _divides(scans: Sequence[Scan], column: str) -> bool:
    several = len({scan.columns.get(column) for scan in scans}) > 1
    return several and _is_allowed(check_left_out, scans, column)


def _is_allowed(
    check: Callable[[Sequence[Scan], str], object], scans: Sequence[Scan], column: str
) -> bool:
    try:
        check(scans, column)
    except InputError:
        return False
    return True


def _left_out(column: str, scans: Sequence[Scan]) -> str:
    """Say how to leave out the values of a column; a class of one value has none to learn from."""
    values = {(str(scan.label), scan.columns.get(column)) for scan in scans}
    often = Counter(label for label, _ in values)
    test = f"test with `hrcam train --leave-out {quote(column)}`"
    if min(often.values()) > 1:
        return test
    confined = min(often, key=lambda label: (often[label], label))
    return f"add scans of the class {confined!r} with another {column}, then {test}"
