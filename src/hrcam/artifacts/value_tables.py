"""Predicted values of a run, as of a regression: ``predictions.tsv``."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hrcam.artifacts.formats import encode_tsv
from hrcam.artifacts.run_tables import fold_and_repeat, prediction_rows
from hrcam.errors import InputError

_COLUMNS = ("scan", "participant", "group", "label", "predicted", "head_predicted")


@dataclass(frozen=True)
class PredictedValue:
    """The value that networks predicted for one scan that they had not seen.

    Attributes
    ----------
    scan, participant, group
        As in the table of the cohort.
    label
        The true value.
    fold
        Whose network predicted, counted from 1; None in the table of one fold.
    network, head
        Value that the network predicts, and that of HR-CAM's head.
    repeat
        Of the cross-validation, counted from 1.
    """

    scan: str
    participant: str
    group: str
    label: float
    fold: int | None
    network: float
    head: float
    repeat: int = 1


def encode_values(rows: Iterable[PredictedValue]) -> bytes:
    """Encode ``predictions.tsv`` of one fold."""
    return encode_tsv(
        _COLUMNS,
        (
            [
                *(row.scan, row.participant, row.group),
                *(f"{value:.6g}" for value in (row.label, row.network, row.head)),
            ]
            for row in rows
        ),
    )


def read_values(path: Path) -> tuple[PredictedValue, ...]:
    """Read ``predictions.tsv``, of one fold or pooled.

    Raises
    ------
    InputError
        If it is missing, empty or damaged, or has a value that is no finite number.
    """
    rows = prediction_rows(path, _COLUMNS)
    return tuple(_value(row, path) for row in rows)


def _value(row: dict[str, str], path: Path) -> PredictedValue:
    fold, repeat = fold_and_repeat(row)
    return PredictedValue(
        scan=row["scan"],
        participant=row["participant"],
        group=row["group"],
        label=_number(row, "label", path),
        fold=fold,
        network=_number(row, "predicted", path),
        head=_number(row, "head_predicted", path),
        repeat=repeat,
    )


def _number(row: dict[str, str], column: str, path: Path) -> float:
    try:
        value = float(row[column])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{path}: {column} of {row['scan']} is {row[column]!r}: train again")
    return value
