"""Labels that are numbers, as for regression: read, and divided for cross-validation."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from statistics import fmean

from hrcam.cohort.related import related_scans
from hrcam.cohort.scan import Scan
from hrcam.errors import InputError

MOST_STRATA = 5
"""Ranges of values of which each fold gets its share."""

_FEWEST_STRATA = 2

Entry = tuple[float, tuple[Scan, ...]]
"""Scans that must stay together, and their mean value."""


def number_in(label: str | None) -> float | None:
    """Read a number with a decimal point or a decimal comma; None if it is none, or not finite."""
    try:
        number = float(str(label).replace(",", ".", 1))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def value_of(scan: Scan) -> float:
    """Return the value of a scan for regression.

    Raises
    ------
    InputError
        If its label is no finite number.
    """
    number = number_in(scan.label)
    if number is None:
        raise InputError(
            f"the label of {scan.name} is {scan.label!r}, and regression needs numbers"
        )
    return number


def with_strata(
    scans: Sequence[Scan], voxel_hashes: Mapping[str, str], folds: int
) -> tuple[Scan, ...]:
    """Label scans with ranges of their values, of which each fold is to have its share.

    Scans that must stay together have one range, by their mean. Ranges have equal numbers of
    participants or groups, each at least as many as there are folds; there are at most
    `MOST_STRATA`. Where the table has a split, each of its parts is divided alike.

    Parameters
    ----------
    scans
        Scans whose labels are numbers.
    voxel_hashes
        Hash of the voxels by the name of each scan.
    folds
        Number of folds.

    Returns
    -------
    tuple of Scan
        The scans in another order, labelled as "20 to 41.5".

    Raises
    ------
    InputError
        If there are too few participants or groups.
    """
    parts: dict[str | None, list[Entry]] = {}
    for members in related_scans(scans, voxel_hashes):
        mean = fmean(value_of(scan) for scan in members)
        parts.setdefault(members[0].split, []).append((mean, members))
    own_split = None not in parts
    learnt = parts.get("train" if own_split else None, [])
    needed = 2 if own_split else folds
    strata = min(MOST_STRATA, len(learnt) // needed)
    if strata < _FEWEST_STRATA:
        what, fewer = (
            ("the split of the table", "")
            if own_split
            else (f"a cross-validation with {folds} folds", ", or use fewer folds")
        )
        raise InputError(
            f"{what} needs {_FEWEST_STRATA * needed} independent participants or groups to train "
            f"a regression, and there are {len(learnt)}: add some{fewer}"
        )
    for part in parts.values():
        part.sort(key=lambda entry: (entry[0], entry[1][0].name))
    names = [f"{chunk[0][0]:g} to {chunk[-1][0]:g}" for chunk in _chunks(learnt, strata)]
    return tuple(
        replace(scan, label=name)
        for part in parts.values()
        for name, chunk in zip(names, _chunks(part, strata), strict=True)
        for _, members in chunk
        for scan in members
    )


def _chunks(entries: Sequence[Entry], number: int) -> list[Sequence[Entry]]:
    """Divide a sequence into parts of nearly the same length."""
    ends = [place * len(entries) // number for place in range(number + 1)]
    return [entries[start:end] for start, end in pairwise(ends)]
