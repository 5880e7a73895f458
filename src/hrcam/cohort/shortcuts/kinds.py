"""The kind of an identifier: how it is made, without saying whose it is."""

import re
from collections.abc import Sequence

_RUNS = re.compile(r"[^\W\d_]+|\d+|.", re.DOTALL)
_LONGEST = 24
_LETTERS = 3


def kind_of(identifier: str, classes: Sequence[str] = ()) -> str:
    """Describe an identifier by its runs of letters and digits: ``MR040240`` is ``A2D6``.

    Parameters
    ----------
    identifier
        The name of a participant, a group or a file.
    classes
        Names of classes, of three letters or more, from which identifiers may be made: they say
        nothing of the image that a network could see, and are alike.

    Returns
    -------
    str
        ``A`` and ``D`` with the number of letters and digits, other characters as they are, ``*``
        in place of a class.
    """
    parts = _without(identifier, classes)
    return "*".join("".join(map(_described, _RUNS.findall(part))) for part in parts)[:_LONGEST]


def prefix_of(identifier: str, classes: Sequence[str] = ()) -> str:
    """Return the letters that an identifier begins with, in small letters; "" for a class."""
    found = re.match(r"[^\W\d_]+", _without(identifier, classes)[0])
    return "" if found is None else found[0].casefold()


def _without(identifier: str, classes: Sequence[str]) -> list[str]:
    names = [name for name in classes if len(name) >= _LETTERS]
    names.sort(key=len, reverse=True)  # non_fractured before fractured
    pattern = "|".join(map(re.escape, names))
    return re.split(pattern, identifier, flags=re.IGNORECASE) if names else [identifier]


def _described(run: str) -> str:
    if run.isdecimal():
        return f"D{len(run)}"
    if run[0].isalpha():
        return f"A{len(run)}"
    return run if run.isascii() and run.isprintable() else "?"
