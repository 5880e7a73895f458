"""Predictions of several labels at once: ``predictions.tsv``."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hrcam.artifacts.formats import encode_tsv
from hrcam.artifacts.run_tables import (
    HEAD_PROBABILITY,
    PROBABILITY,
    fold_and_repeat,
    prediction_rows,
)
from hrcam.errors import InputError

LABEL = "label_"
"""Before the name of a label, in the header of its true answers: 1, 0 or n/a."""

_WHO = ("scan", "participant", "group", "label")
_UNKNOWN = "n/a"
# A cell of n/a is read as an empty text.
_ANSWERS = {"1": True, "0": False, "": None}


@dataclass(frozen=True)
class LabelPrediction:
    """The probabilities of several labels that networks predicted for a scan they had not seen.

    Attributes
    ----------
    scan, participant, group
        As in the table of the cohort.
    answers
        Whether the scan has each label; None where it is not known.
    fold
        Whose network predicted, counted from 1; None in the table of one fold.
    network, head
        Probability of each label, by the network and by HR-CAM's head.
    repeat
        Of the cross-validation, counted from 1.
    """

    scan: str
    participant: str
    group: str
    answers: tuple[bool | None, ...]
    fold: int | None
    network: tuple[float, ...]
    head: tuple[float, ...]
    repeat: int = 1


def encode_labels(rows: Iterable[LabelPrediction], labels: Sequence[str]) -> bytes:
    """Encode ``predictions.tsv`` of one fold; the column "label" lists those that a scan has."""
    columns = [f"{prefix}{name}" for prefix in (LABEL, PROBABILITY, HEAD_PROBABILITY)
               for name in labels]  # fmt: skip
    return encode_tsv(
        (*_WHO, *columns),
        (
            [
                *(row.scan, row.participant, row.group),
                listed(labels, row.answers),
                *(_UNKNOWN if answer is None else str(int(answer)) for answer in row.answers),
                *(f"{value:.6g}" for value in (*row.network, *row.head)),
            ]
            for row in rows
        ),
    )


def listed(labels: Sequence[str], answers: Sequence[bool | None]) -> str:
    """Return the labels that a scan has, as "edema, effusion", or "none"."""
    return ", ".join(name for name, has in zip(labels, answers, strict=True) if has) or "none"


def read_labels(path: Path, labels: Sequence[str]) -> tuple[LabelPrediction, ...]:
    """Read ``predictions.tsv``, of one fold or pooled.

    Raises
    ------
    InputError
        If it is missing, empty or damaged.
    """
    of_labels = (f"{prefix}{name}" for prefix in (LABEL, PROBABILITY) for name in labels)
    rows = prediction_rows(path, (*_WHO, *of_labels))
    return tuple(_labels(row, labels, path) for row in rows)


def _labels(row: dict[str, str], labels: Sequence[str], path: Path) -> LabelPrediction:
    def probabilities(prefix: str) -> tuple[float, ...]:
        return tuple(float(row[f"{prefix}{name}"]) for name in labels)

    fold, repeat = fold_and_repeat(row)
    try:
        return LabelPrediction(
            scan=row["scan"],
            participant=row["participant"],
            group=row["group"],
            answers=tuple(_ANSWERS[row[f"{LABEL}{name}"]] for name in labels),
            fold=fold,
            network=probabilities(PROBABILITY),
            head=probabilities(HEAD_PROBABILITY),
            repeat=repeat,
        )
    except (KeyError, ValueError) as error:
        raise InputError(
            f"{path} is damaged at {row['scan']} ({type(error).__name__}: {error}): train again"
        ) from error
