"""Table of a fold: how far its test scans lie from the scans that its network learnt from."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hrcam.artifacts.formats import encode_tsv, optional_rows
from hrcam.errors import InputError

DISTANCES = "distances.tsv"
UNLIKE_RATE = 0.05
"""Largest share of new scans like those of the training that may be called unlike them."""

DISTANCE_COLUMNS = ("scan", "group", "distance")


@dataclass(frozen=True)
class DistanceRow:
    """A scan that a fold's network had not learnt from.

    Attributes
    ----------
    scan, group
        As in the table of the cohort.
    fold
        Whose test scan it is, counted from 1.
    distance
        Mahalanobis distance of its pooled features from those that the head was fitted on.
    """

    scan: str
    group: str
    fold: int
    distance: float


def encode_distances(rows: Iterable[tuple[str, str, float]]) -> bytes:
    """Encode ``distances.tsv`` of one fold from scan, group and distance of each test scan."""
    fields = ([scan, group, f"{distance:.6g}"] for scan, group, distance in rows)
    return encode_tsv(DISTANCE_COLUMNS, fields)


def read_distances(tables: Sequence[Path]) -> tuple[DistanceRow, ...]:
    """Read the tables of all folds, in their order; no rows of a fold that has none.

    Raises
    ------
    InputError
        If a table lacks a column, or a value is no number.
    """
    return tuple(
        _row(row, fold, path)
        for fold, path in enumerate(tables, 1)
        for row in optional_rows(path, DISTANCE_COLUMNS)
    )


def _row(row: dict[str, str], fold: int, path: Path) -> DistanceRow:
    try:
        distance = float(row["distance"])
    except ValueError as error:
        raise InputError(f"{path} has a value that is no number ({error}): train again") from error
    if not math.isfinite(distance):
        raise InputError(f"{path}: the distance of {row['scan']} is not finite: train again")
    return DistanceRow(row["scan"], row["group"], fold, distance)
