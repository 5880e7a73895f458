"""Checks of a cohort's parameters: each error says which one, and what it may be."""

from hrcam.errors import InputError


def check_whole(name: str, value: object, least: int) -> None:
    """Raise InputError unless a value is a whole number of ``least`` or more.

    Raises
    ------
    InputError
        With the name, the value and what it may be.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise InputError(f"{name} is {value!r}: use a whole number of {least} or more")


def check_between(name: str, value: object, low: float, high: float) -> None:
    """Raise InputError unless a value is a number from ``low`` to ``high``.

    Raises
    ------
    InputError
        With the name, the value and what it may be.
    """
    if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
        raise InputError(f"{name} is {value!r}: use a number from {low:g} to {high:g}")


def check_range(name: str, value: object) -> None:
    """Raise InputError unless a value is a pair of numbers, the smaller one first.

    Raises
    ------
    InputError
        With the name, the value and what it may be.
    """
    if not isinstance(value, tuple) or len(value) != 2:
        raise InputError(f"{name} is {value!r}: use a pair, (smallest, largest)")
    if not all(isinstance(end, int | float) for end in value) or not value[0] <= value[1]:
        raise InputError(f"{name} is {value!r}: use two numbers, the smaller one first")


def check_dimensions(value: object) -> None:
    """Raise InputError unless a value is 2 or 3.

    Raises
    ------
    InputError
        With the value and what it may be.
    """
    if value not in (2, 3):
        raise InputError(f"dimensions is {value!r}: use 2 (slices) or 3 (volumes)")
