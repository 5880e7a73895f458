"""Table of a run: the metrics of the network for each value of a column."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hrcam.artifacts.formats import encode_tsv, optional_rows
from hrcam.errors import InputError

BY_COLUMN = "by_column.tsv"

SCORED: tuple[Literal["accuracy", "balanced_accuracy", "auc"], ...] = (
    "accuracy",
    "balanced_accuracy",
    "auc",
)
"""The metrics, each with the ends of its 95 % interval."""

_COLUMNS = (
    *("column", "value", "scans", "participants"),
    *(f"{name}{end}" for name in SCORED for end in ("", "_low", "_high")),
)

Interval = tuple[float | None, float | None, float | None]
"""A value and the ends of its interval."""


@dataclass(frozen=True)
class ByColumnRow:
    """The network's metrics on the test scans that have one value in a column.

    Attributes
    ----------
    column
        Its name.
    value
        A category, or the least and greatest number of a third of the scans; "n/a" where it is
        missing.
    scans, participants
        Their numbers; participants or groups.
    metrics
        Value and interval by the names of `SCORED`; empty where there are too few participants.
    """

    column: str
    value: str
    scans: int
    participants: int
    metrics: dict[str, Interval]


def encode_by_column(rows: Iterable[ByColumnRow]) -> bytes:
    """Encode ``by_column.tsv``."""
    return encode_tsv(
        _COLUMNS,
        (
            [
                *(row.column, row.value, row.scans, row.participants),
                *(
                    None if number is None else f"{number:.4f}"
                    for name in SCORED
                    for number in row.metrics.get(name, (None, None, None))
                ),
            ]
            for row in rows
        ),
    )


def read_by_column(path: Path) -> tuple[ByColumnRow, ...]:
    """Read ``by_column.tsv``; no rows where there is no such file.

    Raises
    ------
    InputError
        If it lacks a column, or a value is no number.
    """
    try:
        return tuple(_row(row) for row in optional_rows(path, _COLUMNS))
    except ValueError as error:
        raise InputError(f"{path} has a value that is no number ({error}): train again") from error


def _row(row: dict[str, str]) -> ByColumnRow:
    def interval(name: str) -> Interval:
        value, low, high = (
            float(row[name + end]) if row[name + end] else None for end in ("", "_low", "_high")
        )
        return value, low, high

    metrics: dict[str, Interval] = {name: interval(name) for name in SCORED}
    known = any(number is not None for found in metrics.values() for number in found)
    return ByColumnRow(
        column=row["column"],
        value=row["value"] or "n/a",
        scans=int(row["scans"]),
        participants=int(row["participants"]),
        metrics=metrics if known else {},
    )
