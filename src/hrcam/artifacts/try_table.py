"""Table of a fold: the plans that were tried, and their losses on its validation images."""

from collections.abc import Iterable
from dataclasses import astuple, dataclass
from pathlib import Path

from hrcam.artifacts.formats import encode_tsv, read_rows
from hrcam.errors import InputError

TRIES = "tries.tsv"

_COLUMNS = ("try", "network", "learning_rate", "epochs", "validation_loss", "chosen")


@dataclass(frozen=True)
class TryRow:
    """One try of a fold.

    Attributes
    ----------
    name
        What differs from the plan of the run.
    network, learning_rate, epochs
        Of its plan.
    validation_loss
        The lowest of its epochs.
    chosen
        Whether the fold has its network.
    """

    name: str
    network: str
    learning_rate: float
    epochs: int
    validation_loss: float
    chosen: bool


def encode_tries(rows: Iterable[TryRow]) -> bytes:
    """Encode the tries of a fold as a table."""
    return encode_tsv(_COLUMNS, ([*astuple(row)[:-1], int(row.chosen)] for row in rows))


def read_chosen(path: Path) -> str:
    """Return the name of the try that a table says was chosen.

    Raises
    ------
    InputError
        If the table is missing or damaged.
    """
    for row in read_rows(path, _COLUMNS):
        if row["chosen"] == "1":
            return row["try"]
    raise InputError(f"{path} names no chosen try: train again, into a new folder")
