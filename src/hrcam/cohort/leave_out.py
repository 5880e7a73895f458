"""Folds by a column of the table: each site, hospital or scanner in turn is kept for testing."""

from collections.abc import Iterable, Mapping, Sequence
from shlex import quote

from hrcam.cohort.columns import read_numbers
from hrcam.cohort.naming import natural_order
from hrcam.cohort.related import related_scans
from hrcam.cohort.scan import Scan
from hrcam.cohort.splits import Fold, Members, check_arguments, set_aside
from hrcam.errors import InputError

PLACES = ("site", "hospital", "centre", "center", "scanner")
"""Columns that say where scans come from: numbers there are codes, as in site 12."""

MOST_NUMBERS = 10
"""A column of more numbers, and of no `PLACES`, holds measurements, as a score or an age."""

FEWEST = 5
"""Fewest participants a value, on average, in a column of more values than that many."""

_LISTED = 10


def leave_out_folds(
    scans: Sequence[Scan],
    voxel_hashes: Mapping[str, str],
    column: str,
    *,
    validation: float = 0.15,
    seed: int = 0,
) -> list[Fold]:
    """Divide scans into one fold for each value of a column, which is tested on that value alone.

    Scans that belong together (participant, group or voxels) may have several values, as somebody
    who travels from scanner to scanner. Each is then tested in the fold of its own value, and the
    others are unused there. The table's own split does not count.

    Parameters
    ----------
    scans
        Scans with labels.
    voxel_hashes
        Hash of the voxels by the name of each scan.
    column
        Name of a further column of the table, in any case.
    validation
        Share of the training scans of each class that is set aside to tell when to stop.
    seed
        Of the shuffling.

    Returns
    -------
    list of Fold
        Sorted by the value that each leaves out.

    Raises
    ------
    InputError
        If there is no such column, it holds measurements or identifiers (`check_left_out`), a scan
        has no value in it, all have the same, or all scans of a class have one value, so that none
        is left to train on.
    """
    check_arguments(scans, voxel_hashes, validation, seed)
    column = column.casefold()
    values = _values(scans, column)
    classes = {str(scan.label) for scan in scans}
    sets = related_scans(scans, voxel_hashes)
    folds = []
    for number, value in enumerate(values):
        there, rest = list[Members](), list[Members]()
        for members in sets:
            found = any(scan.columns[column] == value for scan in members)
            (there if found else rest).append(members)
        missing = sorted(classes - {str(scan.label) for members in rest for scan in members})
        if missing:
            raise InputError(
                f"without the scans whose {column} is {value!r}, none of the class {missing[0]!r} "
                f"is left to train on: the class comes from there only. Add scans of it with "
                f"another {column}, or leave the class out"
            )
        train, held_out = set_aside(rest, validation, seed + number)
        tested = [scan for members in there for scan in members if scan.columns[column] == value]
        unused = [scan for members in there for scan in members if scan.columns[column] != value]
        folds.append(
            Fold(
                _names(scan for members in train for scan in members),
                _names(scan for members in held_out for scan in members),
                _names(tested),
                left_out=value,
                unused=_names(unused),
            )
        )
    return folds


def check_left_out(scans: Sequence[Scan], column: str) -> None:
    """See that a column may say where scans come from, and is no score and no identifier.

    Parameters
    ----------
    scans
        Scans, with labels or without.
    column
        Name of a further column of the table, in any case.

    Raises
    ------
    InputError
        If there is no such column; if it has more than `MOST_NUMBERS` numbers or dates, unless it
        is one of `PLACES`; or more than that many values with fewer than `FEWEST` participants or
        groups each, on average.
    """
    column = column.casefold()
    found = sorted({name for scan in scans for name in scan.columns})
    if column not in found:
        columns = f"only {', '.join(found)}" if found else "nor any other that says where from"
        raise InputError(f"there is no column {column!r} with a value to leave out, {columns}")
    texts = [scan.columns.get(column) for scan in scans]
    number = len({text for text in texts if text is not None})
    if number <= MOST_NUMBERS:
        return
    if column not in PLACES and read_numbers(texts) is not None:
        raise InputError(
            f"the column {column!r} has {number} different numbers, and each would be left out as "
            f"if it were a site: score the network by them with --by {quote(column)}. If they are "
            "codes of sites, name the column site"
        )
    groups = {(text, scan.group) for text, scan in zip(texts, scans, strict=True) if text}
    if len(groups) < FEWEST * number:
        raise InputError(
            f"the column {column!r} has {number} different values with "
            f"{len(groups) / number:.1f} participants or groups each, on average, too few to test "
            f"on: name a column with at least {FEWEST} for each value, or merge values"
        )


def _values(scans: Sequence[Scan], column: str) -> list[str]:
    """Return the different values of a column that every scan has."""
    check_left_out(scans, column)
    without = sorted(scan.name for scan in scans if column not in scan.columns)
    if without:
        more = f" and {len(without) - _LISTED} more" if len(without) > _LISTED else ""
        raise InputError(
            f"{len(without)} of {len(scans)} scans have nothing in the column {column!r}: "
            f"{', '.join(without[:_LISTED])}{more}; fill it in, or delete these rows"
        )
    values = sorted({scan.columns[column] for scan in scans}, key=natural_order)
    if len(values) < 2:
        raise InputError(
            f"the {column} of every scan is {values[0]!r}: to leave one out, two are needed"
        )
    return values


def _names(scans: Iterable[Scan]) -> tuple[str, ...]:
    return tuple(sorted(scan.name for scan in scans))
