"""Table of a run: how well the class is predicted without a network, by columns and properties."""

from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Literal

from hrcam.artifacts.formats import encode_tsv, read_rows
from hrcam.errors import InputError

SHORTCUTS = "shortcuts.tsv"

ALL = "all"
"""In place of a class: the mean over all classes, each against the others."""

Warned = Literal["", "strong", "as the network"]
"""What a source is warned of for: it separates the class by itself, or nearly as the network."""


@dataclass(frozen=True)
class ShortcutRow:
    """How well one source alone predicts a class, on scans that it was not fitted to.

    Attributes
    ----------
    source
        What the class is predicted from: ``column site``, ``image size``, ``kind of group``.
    class_name
        The class, against all others; "all" for the mean over the classes, or where there are two.
    auc, low, high
        With the ends of its 95 % interval; None where it is not defined.
    network
        AUC of the network on the same scans; None before there is one.
    difference, difference_low, difference_high
        That of the network minus that of the source, paired.
    warned
        "" if it is no shortcut.
    scans, participants
        On which the AUC is measured.
    detail
        Participants of each class by the values of the source, or medians of each class.
    """

    source: str
    class_name: str
    auc: float | None
    low: float | None
    high: float | None
    network: float | None
    difference: float | None
    difference_low: float | None
    difference_high: float | None
    warned: Warned
    scans: int
    participants: int
    detail: str


_COLUMNS = tuple({"class_name": "class"}.get(one.name, one.name) for one in fields(ShortcutRow))
_NUMBERS = ("auc", "low", "high", "network", "difference", "difference_low", "difference_high")


def encode_shortcuts(rows: Iterable[ShortcutRow]) -> bytes:
    """Encode ``shortcuts.tsv``."""
    return encode_tsv(
        _COLUMNS,
        (
            [f"{cell:.4f}" if isinstance(cell, float) else cell for cell in astuple(row)]
            for row in rows
        ),
    )


def read_shortcuts(path: Path) -> tuple[ShortcutRow, ...] | None:
    """Read ``shortcuts.tsv``; None where there is no such file.

    Raises
    ------
    InputError
        If it lacks a column, or a value is no number.
    """
    if not path.exists():
        return None
    try:
        return tuple(_row(row) for row in read_rows(path, _COLUMNS))
    except ValueError as error:
        raise InputError(f"{path} has a value that is no number ({error}): train again") from error


def _row(row: dict[str, str]) -> ShortcutRow:
    numbers = {name: float(row[name]) if row[name] else None for name in _NUMBERS}
    warned = {text: text for text in ("", "strong", "as the network")}
    return ShortcutRow(
        source=row["source"],
        class_name=row["class"],
        warned=warned.get(row["warned"], ""),  # type: ignore[arg-type]
        scans=int(row["scans"]),
        participants=int(row["participants"]),
        detail=row["detail"],
        **numbers,
    )
