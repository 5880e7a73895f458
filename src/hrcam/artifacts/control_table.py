"""Table of a fold: how high the maps of its control images are, to compare findings with."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hrcam.artifacts.formats import encode_tsv, optional_rows
from hrcam.errors import InputError

CONTROLS = "controls.tsv"
RATE = 0.1
"""Largest share of control images that may have a finding."""

CONTROL_COLUMNS = ("scan", "group", "class", "probability", "peak")


@dataclass(frozen=True)
class ControlRow:
    """The map of a control image for one class, by a network that had not learnt from it.

    Attributes
    ----------
    scan, group
        As in the table of the cohort.
    map_class
        Class of the map.
    probability
        Probability that the image is no control.
    peak
        Largest absolute value of the map, on the network's grid.
    """

    scan: str
    group: str
    map_class: str
    probability: float
    peak: float

    @property
    def score(self) -> float:
        """The peak times the probability."""
        return self.probability * self.peak


def encode_controls(rows: Iterable[ControlRow]) -> bytes:
    """Encode ``controls.tsv`` of one fold."""
    return encode_tsv(
        CONTROL_COLUMNS,
        (
            [row.scan, row.group, row.map_class, f"{row.probability:.6g}", f"{row.peak:.6g}"]
            for row in rows
        ),
    )


def read_controls(tables: Sequence[Path]) -> tuple[ControlRow, ...]:
    """Read the tables of all folds; no rows of a fold that has none.

    Raises
    ------
    InputError
        If a table lacks a column, or a value is no number.
    """
    return tuple(_row(row, path) for path in tables for row in optional_rows(path, CONTROL_COLUMNS))


def _row(row: dict[str, str], path: Path) -> ControlRow:
    try:
        numbers = float(row["probability"]), float(row["peak"])
    except ValueError as error:
        raise InputError(f"{path} has a value that is no number ({error}): train again") from error
    if not all(map(math.isfinite, numbers)):
        raise InputError(f"{path}: the map of {row['scan']} is not finite: train again")
    return ControlRow(row["scan"], row["group"], row["class"], *numbers)
