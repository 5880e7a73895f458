"""Values of a column, to divide scans by: categories, or numbers in thirds."""

from collections.abc import Sequence
from datetime import date

import numpy as np

from hrcam.cohort.naming import natural_order
from hrcam.cohort.scan import Scan
from hrcam.cohort.values import number_in
from hrcam.errors import InputError

MISSING = "n/a"

FEW_VALUES = 5
"""Numbers of at most so many different values are categories: codes, grades, 0 and 1."""

MOST_VALUES = 20
"""Of more categories hardly one has enough participants; most likely they are identifiers."""


def read_number(text: str) -> float | None:
    """Return a finite number, with a decimal point or comma, or the day of an ISO date."""
    number = number_in(text)
    if number is not None:
        return number
    try:
        return float(date.fromisoformat(text[:10]).toordinal())
    except ValueError:
        return None


def read_numbers(texts: Sequence[str | None]) -> list[float] | None:
    """Return the values of a numeric column, NaN where one is missing; None for categories."""
    numbers = {text: read_number(text) for text in texts if text is not None}
    if len(set(numbers.values())) <= FEW_VALUES or None in numbers.values():
        return None
    return [np.nan if text is None else float(numbers[text] or 0) for text in texts]


def divided_by(scans: Sequence[Scan], column: str) -> dict[str, list[int]]:
    """Divide scans by the values of a column.

    Parameters
    ----------
    scans
        The scans.
    column
        Name of a further column of the table, in any case.

    Returns
    -------
    dict of str to list of int
        Places of the scans by value, in the order of the values: a category, or the least and the
        greatest number of a third of the scans, as "23 to 51"; last "n/a", where it is missing.

    Raises
    ------
    InputError
        If there is no such column, or it has more than `MOST_VALUES` categories.
    """
    column = column.casefold()
    known = sorted({name for scan in scans for name in scan.columns})
    if column not in known:
        columns = f"only {', '.join(known)}" if known else "nor any other to divide by"
        raise InputError(f"there is no column {column!r} with a value, {columns}")
    texts = [scan.columns.get(column) for scan in scans]
    numbers = read_numbers(texts)
    if numbers is not None:
        names = _thirds(texts, numbers)
        order = [names[place] for place in np.argsort(numbers, kind="stable").tolist()]
    else:
        names = [text or MISSING for text in texts]
        order = sorted(set(names), key=lambda name: (name == MISSING, natural_order(name)))
        if len(order) > MOST_VALUES:
            raise InputError(
                f"the column {column!r} has {len(order)} different values: name one of at most "
                f"{MOST_VALUES} categories, or of numbers"
            )
    found: dict[str, list[int]] = {name: [] for name in order}
    for place, name in enumerate(names):
        found[name].append(place)
    return found


def _thirds(texts: Sequence[str | None], numbers: Sequence[float]) -> list[str]:
    """Name the third that each number is in, by its least and greatest number."""
    values = np.array(numbers)
    third = np.searchsorted(np.nanquantile(values, (1 / 3, 2 / 3)), values, side="left")
    names = []
    for text, value, part in zip(texts, numbers, third, strict=True):
        if np.isnan(value):
            names.append(MISSING)
            continue
        inside = values[(third == part) & ~np.isnan(values)]
        low, high = (texts[numbers.index(end)] for end in (inside.min(), inside.max()))
        names.append(f"{low} to {high}" if low != high else str(text))
    return names
