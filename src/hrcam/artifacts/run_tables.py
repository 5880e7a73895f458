"""Tables of a run: who is in which fold, what was predicted for whom, and the losses."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hrcam.artifacts.formats import encode_tsv, optional_rows, read_rows
from hrcam.errors import InputError

SPLITS, PREDICTIONS, HISTORY = "splits.tsv", "predictions.tsv", "history.tsv"
PROBABILITY, HEAD_PROBABILITY = "probability_", "head_probability_"
"""What the columns of each class begin with: of the CNN itself, and of HR-CAM's head."""
CALIBRATED = "calibrated_"
"""What these columns begin with if the probabilities were calibrated."""

SPLIT_COLUMNS = (
    *("scan", "participant", "group", "label", "split", "fold", "validation_of", "voxel_hash"),
)
LEAVE_OUT_COLUMNS = ("left_out", "unused_by")
"""Further columns where a column of the table makes the folds."""
_WHO = ("scan", "participant", "group", "label")
HISTORY_COLUMNS = ("epoch", "loss", "validation_loss")


@dataclass(frozen=True)
class EpochLosses:
    """Losses of one epoch.

    Attributes
    ----------
    epoch
        Counted from 1.
    loss
        Mean over the training batches.
    validation_loss
        After the epoch; None without a validation part.
    """

    epoch: int
    loss: float
    validation_loss: float | None


@dataclass(frozen=True)
class SplitRow:
    """On which side of each fold a scan is.

    Attributes
    ----------
    scan, participant, group, label
        As in the table of the cohort.
    split
        "train", "validation" or "test" where the table has its own split; otherwise "".
    tested_by
        Folds that are tested on it, counted from 1: one of each repeat; none where the table's own
        split trains on it.
    validation_of
        Folds that it decides when to stop.
    voxel_hash
        Of its images; "" where the table does not tell.
    left_out
        The value that its fold leaves out, where a column of the table makes the folds; else "".
    unused_by
        Folds that neither learn from it nor are tested on it, since it belongs together with a scan
        of theirs.
    """

    scan: str
    participant: str
    group: str
    label: str
    split: str
    tested_by: tuple[int, ...]
    validation_of: tuple[int, ...]
    voxel_hash: str
    left_out: str = ""
    unused_by: tuple[int, ...] = ()


@dataclass(frozen=True)
class Prediction:
    """What was predicted for one scan by networks that had not seen it.

    Attributes
    ----------
    scan, participant, group, label
        As in the table of the cohort; the label is the true class.
    predicted
        The class that the network finds most probable.
    fold
        Whose network predicted, counted from 1; None in the table of one fold.
    repeat
        Which division into folds that fold belongs to, counted from 1.
    network
        The network's own probability of each class, in the order of the classes asked for.
    head
        That of HR-CAM's head; None where the run does not tell.
    calibrated, calibrated_head
        The probabilities of ``network`` and ``head``, calibrated on other folds; None where there
        are none.
    """

    scan: str
    participant: str
    group: str
    label: str
    predicted: str
    fold: int | None
    network: tuple[float, ...]
    head: tuple[float, ...] | None
    repeat: int = 1
    calibrated: tuple[float, ...] | None = None
    calibrated_head: tuple[float, ...] | None = None

    def reordered(self, order: Sequence[int]) -> "Prediction":
        """Return the same with the classes in another order, given by their places now."""

        def reordered(values: Sequence[float]) -> tuple[float, ...]:
            return tuple(values[place] for place in order)

        return replace(
            self,
            network=reordered(self.network),
            head=self.head and reordered(self.head),
            calibrated=self.calibrated and reordered(self.calibrated),
            calibrated_head=self.calibrated_head and reordered(self.calibrated_head),
        )


def encode_splits(rows: Iterable[SplitRow]) -> bytes:
    """Encode ``splits.tsv``, with one row for each scan."""
    rows = list(rows)
    named = any(row.left_out for row in rows)
    return encode_tsv(
        (*SPLIT_COLUMNS, *(LEAVE_OUT_COLUMNS if named else ())),
        (
            [
                *(row.scan, row.participant, row.group, row.label, row.split),
                *(_joined(row.tested_by), _joined(row.validation_of), row.voxel_hash),
                *([row.left_out, _joined(row.unused_by)] if named else []),
            ]
            for row in rows
        ),
    )


def read_splits(path: Path) -> tuple[SplitRow, ...]:
    """Read ``splits.tsv``; no rows where there is no such file.

    Raises
    ------
    InputError
        If it lacks a column, or a fold is no number.
    """
    rows = optional_rows(path, SPLIT_COLUMNS)
    try:
        return tuple(
            SplitRow(
                scan=row["scan"],
                participant=row["participant"],
                group=row["group"],
                label=row["label"],
                split=row["split"],
                tested_by=_numbers(row["fold"]),
                validation_of=_numbers(row["validation_of"]),
                voxel_hash=row["voxel_hash"],
                left_out=row.get("left_out", ""),
                unused_by=_numbers(row.get("unused_by", "")),
            )
            for row in rows
        )
    except ValueError as error:
        raise InputError(f"{path} has a fold that is no number ({error}): train again") from error


def _joined(numbers: Sequence[int]) -> str:
    return ",".join(map(str, numbers))


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, filter(None, text.split(","))))


def encode_predictions(rows: Sequence[Prediction], classes: Sequence[str]) -> bytes:
    """Encode ``predictions.tsv`` of one fold.

    Parameters
    ----------
    rows
        Of all scans that were tested, each with the probabilities of the head.
    classes
        Names, in the order of the probabilities.
    """
    columns = [
        *(*_WHO, "predicted"),
        *(f"{PROBABILITY}{name}" for name in classes),
        *("head_predicted", *(f"{HEAD_PROBABILITY}{name}" for name in classes)),
    ]

    def fields(row: Prediction) -> list[object]:
        assert row.head is not None
        return [
            *(row.scan, row.participant, row.group, row.label),
            *(row.predicted, *(f"{value:.6g}" for value in row.network)),
            *(likeliest(row.head, classes), *(f"{value:.6g}" for value in row.head)),
        ]

    return encode_tsv(columns, map(fields, rows))


def pool_predictions(
    tables: Sequence[Path],
    repeats: Sequence[int],
    calibrated: Mapping[str, Sequence[float]] | None = None,
) -> bytes:
    """Put the ``predictions.tsv`` of all folds under each other, digit for digit.

    Parameters
    ----------
    tables
        That of each fold, in their order; the columns fold and repeat are added.
    repeats
        Of each fold.
    calibrated
        Values of each row by the column of the probability that they calibrate; None for none.
    """
    rows = [
        {**row, "fold": fold, "repeat": repeat}
        for fold, (path, repeat) in enumerate(zip(tables, repeats, strict=True), 1)
        for row in read_rows(path, ())
    ]
    own = list(rows[0])[:-2]
    columns = [*own[: len(_WHO)], "fold", "repeat", *own[len(_WHO) :]]
    for name, values in (calibrated or {}).items():
        columns.append(f"{CALIBRATED}{name}")
        for row, value in zip(rows, values, strict=True):
            row[columns[-1]] = f"{value:.6g}"
    return encode_tsv(columns, ([row[name] for name in columns] for row in rows))


def read_predictions(path: Path, classes: Sequence[str]) -> tuple[Prediction, ...]:
    """Read ``predictions.tsv``.

    Parameters
    ----------
    path
        The file, of one fold or pooled.
    classes
        Names; probabilities come in their order.

    Raises
    ------
    InputError
        If it is missing, empty or damaged, or has a label that is none of the classes.
    """
    of_classes = (f"{PROBABILITY}{name}" for name in classes)
    rows = prediction_rows(path, ("scan", "participant", "label", "predicted", *of_classes))
    return tuple(_prediction(row, classes, path) for row in rows)


def prediction_rows(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """Read the rows of ``predictions.tsv``, of which there must be one or more, of any task.

    Raises
    ------
    InputError
        If it is missing or empty, or lacks a column.
    """
    rows = read_rows(path, columns)
    if not rows:
        raise InputError(f"{path} has no row: was it stopped before it was done?")
    return rows


def fold_and_repeat(row: Mapping[str, str]) -> tuple[int | None, int]:
    """Read by which fold a row was predicted, None in the table of one fold, and its repeat."""
    fold, repeat = row.get("fold", ""), row.get("repeat", "")
    return int(fold) if fold.isdecimal() else None, int(repeat) if repeat.isdecimal() else 1


def encode_history(rows: Iterable[dict[str, float]]) -> bytes:
    """Encode ``history.tsv`` from rows with the keys of `HISTORY_COLUMNS`, as far as known."""
    fields = ([row.get(name) for name in HISTORY_COLUMNS] for row in rows)
    return encode_tsv(HISTORY_COLUMNS, fields)


def read_history(path: Path) -> tuple[EpochLosses, ...]:
    """Read ``history.tsv``; no rows where there is no such file.

    Raises
    ------
    InputError
        If it lacks a column, or a value is no number.
    """
    try:
        return tuple(
            EpochLosses(
                int(row["epoch"]),
                float(row["loss"]),
                float(row["validation_loss"]) if row["validation_loss"] else None,
            )
            for row in optional_rows(path, HISTORY_COLUMNS)
        )
    except ValueError as error:
        raise InputError(f"{path} has a value that is no number ({error}): train again") from error


def likeliest(probabilities: Sequence[float], classes: Sequence[str]) -> str:
    """Return the most probable class, the first of several."""
    return classes[probabilities.index(max(probabilities))]


def _prediction(row: dict[str, str], classes: Sequence[str], path: Path) -> Prediction:
    if row["label"] not in classes:
        raise InputError(
            f"{path}: {row['scan']} has the label {row['label']!r}, which is none of the run's "
            f"classes ({', '.join(classes)}): train again"
        )

    def probabilities(start: str) -> tuple[float, ...]:
        return tuple(_probability(row, f"{start}{name}", path) for name in classes)

    def if_there(start: str) -> tuple[float, ...] | None:
        there = all(f"{start}{name}" in row for name in classes)
        return probabilities(start) if there else None

    fold, repeat = fold_and_repeat(row)
    return Prediction(
        scan=row["scan"],
        participant=row["participant"],
        group=row.get("group", row["participant"]),
        label=row["label"],
        predicted=row["predicted"],
        fold=fold,
        network=probabilities(PROBABILITY),
        head=if_there(HEAD_PROBABILITY),
        repeat=repeat,
        calibrated=if_there(f"{CALIBRATED}{PROBABILITY}"),
        calibrated_head=if_there(f"{CALIBRATED}{HEAD_PROBABILITY}"),
    )


def _probability(row: dict[str, str], column: str, path: Path) -> float:
    try:
        value = float(row[column])
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise InputError(f"{path}: {column} of {row['scan']} is {row[column]!r}: train again")
    return value
