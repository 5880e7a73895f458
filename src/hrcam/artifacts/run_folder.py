"""What `hrcam train` left in its folder, as far as a report tells of it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hrcam.artifacts.text import optional_object, optional_rows, read_object, read_rows
from hrcam.errors import InputError

Row = Mapping[str, str]

MANIFEST = "manifest.json"
PREDICTIONS = "predictions.tsv"
REFUSED = "refused.tsv"
REFUSED_COLUMNS = ("scan", "file", "reason", "message", "advice")


@dataclass(frozen=True)
class Prediction:
    """What was predicted for one scan by networks that had not seen it.

    Attributes
    ----------
    scan, participant, label, fold
        As in the table; the label is the true class.
    network
        The network's own probability of each class, in the order of the run's classes.
    head
        That of HR-CAM's head; None where the run does not tell.
    """

    scan: str
    participant: str
    label: str
    fold: str
    network: tuple[float, ...]
    head: tuple[float, ...] | None


@dataclass(frozen=True)
class RunFolder:
    """A finished training run.

    Attributes
    ----------
    folder
        Where it is.
    classes
        Names of the classes, in the order of every probability; of two the last is the positive
        one, which sensitivity and specificity are of.
    predictions
        One per scan that was tested.
    metrics, config, preparation, fingerprint, manifest
        The files of these names, as nested dictionaries; the fingerprint may be empty.
    splits, refused
        Rows of the tables of these names.
    """

    folder: Path
    classes: tuple[str, ...]
    predictions: tuple[Prediction, ...]
    metrics: Mapping[str, Any]
    config: Mapping[str, Any]
    preparation: Mapping[str, Any]
    fingerprint: Mapping[str, Any]
    manifest: Mapping[str, Any]
    splits: tuple[Row, ...]
    refused: tuple[Row, ...]

    @property
    def positive(self) -> str | None:
        """The positive one of two classes; None where there are more."""
        return self.classes[-1] if len(self.classes) == 2 else None

    def pooled(self, source: str) -> Mapping[str, Any]:
        """Return the metrics of all tested scans, of "network" or "head"; empty without any."""
        found: Mapping[str, Any] = (self.metrics.get(source) or {}).get("pooled") or {}
        return found


def is_run(folder: Path) -> bool:
    """Tell whether a folder is that of a training run, finished or not."""
    return (folder / PREDICTIONS).exists() or (folder / "config.json").exists()


def read_run(folder: Path) -> RunFolder:
    """Read a training run.

    Raises
    ------
    InputError
        If the training is not complete, or a file is missing or damaged.
    """
    if not (folder / MANIFEST).exists():  # the last to be written
        raise InputError(
            f"{folder}: its training is not complete; run the command `hrcam train COHORT --out "
            f"{folder}` again"
        )
    metrics = read_object(folder / "metrics.json")
    classes = metrics.get("classes")
    if not isinstance(classes, list) or len(classes) < 2:
        raise InputError(f"{folder / 'metrics.json'} names no classes: train again")
    names = tuple(map(str, classes))
    path = folder / PREDICTIONS
    columns = ("scan", "participant", "label", *(f"probability_{name}" for name in names))
    rows = read_rows(path, columns)
    if not rows:
        raise InputError(f"{path} has no row: was it stopped before it was done?")
    return RunFolder(
        folder=folder,
        classes=names,
        predictions=tuple(_prediction(row, names, path) for row in rows),
        metrics=metrics,
        config=read_object(folder / "config.json"),
        preparation=read_object(folder / "preparation.json"),
        fingerprint=optional_object(folder / "fingerprint.json"),
        manifest=read_object(folder / MANIFEST),
        splits=tuple(optional_rows(folder / "splits.tsv", ("scan", "participant", "label"))),
        refused=tuple(optional_rows(folder / REFUSED, REFUSED_COLUMNS)),
    )


def _prediction(row: Row, classes: Sequence[str], path: Path) -> Prediction:
    if row["label"] not in classes:
        raise InputError(
            f"{path}: {row['scan']} has the label {row['label']!r}, which is none of the run's "
            f"classes ({', '.join(classes)}): train again"
        )
    with_head = all(f"head_probability_{name}" in row for name in classes)

    def probabilities(prefix: str) -> tuple[float, ...]:
        return tuple(_probability(row, f"{prefix}{name}", path) for name in classes)

    return Prediction(
        scan=row["scan"],
        participant=row["participant"],
        label=row["label"],
        fold=row.get("fold", ""),
        network=probabilities("probability_"),
        head=probabilities("head_probability_") if with_head else None,
    )


def _probability(row: Row, column: str, path: Path) -> float:
    try:
        value = float(row[column])
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise InputError(f"{path}: {column} of {row['scan']} is {row[column]!r}: train again")
    return value
