"""The folder of a training run: what `hrcam train` writes, and what others read of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hrcam.artifacts.atomic import create_atomically, write_atomically
from hrcam.artifacts.by_column_table import BY_COLUMN, ByColumnRow, read_by_column
from hrcam.artifacts.claim import changes, claim_folder
from hrcam.artifacts.control_table import CONTROLS, ControlRow, read_controls
from hrcam.artifacts.distance_table import DISTANCES, DistanceRow, read_distances
from hrcam.artifacts.formats import FORMAT, encode_json, read_versioned
from hrcam.artifacts.label_tables import LabelPrediction, read_labels
from hrcam.artifacts.manifest import MANIFEST, read_manifest
from hrcam.artifacts.plan_file import PLAN, encode_plan, read_plan_file
from hrcam.artifacts.refusals import Refusal, Refused, encode_refusals, read_refusals
from hrcam.artifacts.run_tables import (
    HISTORY,
    PREDICTIONS,
    SPLITS,
    EpochLosses,
    Prediction,
    SplitRow,
    encode_splits,
    pool_predictions,
    read_history,
    read_predictions,
    read_splits,
)
from hrcam.artifacts.shortcut_table import SHORTCUTS, ShortcutRow, read_shortcuts
from hrcam.artifacts.timing_table import TIMINGS, Timing, encode_timings
from hrcam.artifacts.value_tables import PredictedValue, read_values
from hrcam.errors import InputError

RUN_FORMAT = 1

CONFIG, PREPARATION, FINGERPRINT, METRICS = (
    "config.json",
    "preparation.json",
    "fingerprint.json",
    "metrics.json",
)
REFUSED = "refused.tsv"
LEARNING_CURVE = "learning-curve.json"

# In the folder of a fold; it is done when the last one is there.
NETWORK, EXPLAINER, FOLD = "network.safetensors", "explainer", "fold.json"

# While a run is trained: checkpoints in the folder of a fold, prepared images in that of the run.
CHECKPOINTS, WORK = "checkpoints", "work"


@dataclass(frozen=True)
class RunFolder:
    """What the folder of a finished training run holds.

    Attributes
    ----------
    folder
        Where it is.
    classes
        Names of the classes, in the order of every probability; of two the last is the positive
        one, which sensitivity and specificity are of. Other tasks have none.
    predictions
        One per scan that was tested, of each repeat; none of other tasks.
    metrics, config, preparation, fingerprint, manifest
        The files of these names, as nested dictionaries; the fingerprint may be empty. What was
        planned is part of the configuration.
    splits, refused
        Rows of the tables of these names.
    controls
        Rows of the tables of all folds; none without a reference class.
    histories
        Losses of each fold by epoch; none of a fold whose table is missing.
    distances
        Rows of the tables of all folds; none of a run of an earlier version.
    shortcuts
        Rows of the table of this name; None where an earlier version has written none.
    by_column
        Rows of the table of this name; none where no column was asked for.
    target
        Name of the value that a regression predicts; None otherwise.
    values
        One per scan that was tested by a regression, of each repeat.
    labels
        Names of several labels that are predicted at once; otherwise none.
    labelled
        One per scan that was tested for several labels, of each repeat.
    learning_curve
        The file of this name, as a nested dictionary; empty if there is none.
    """

    folder: Path
    classes: tuple[str, ...]
    predictions: tuple[Prediction, ...]
    metrics: Mapping[str, Any]
    config: Mapping[str, Any]
    preparation: Mapping[str, Any]
    fingerprint: Mapping[str, Any]
    manifest: Mapping[str, Any]
    splits: tuple[SplitRow, ...]
    refused: tuple[Refusal, ...]
    controls: tuple[ControlRow, ...] = ()
    histories: tuple[tuple[EpochLosses, ...], ...] = ()
    distances: tuple[DistanceRow, ...] = ()
    shortcuts: tuple[ShortcutRow, ...] | None = None
    by_column: tuple[ByColumnRow, ...] = ()
    target: str | None = None
    values: tuple[PredictedValue, ...] = ()
    labels: tuple[str, ...] = ()
    labelled: tuple[LabelPrediction, ...] = ()
    learning_curve: Mapping[str, Any] = field(default_factory=dict)

    @property
    def tested(self) -> tuple[Prediction, ...]:
        """One prediction of each tested scan: those of the first repeat."""
        return tuple(one for one in self.predictions if one.repeat == 1)

    @property
    def repeats(self) -> int:
        """Number of trainings with other seeds, each with other folds or on the table's split."""
        tables = (self.predictions, self.values, self.labelled)
        return max(one.repeat for table in tables for one in table)

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
    return (folder / PREDICTIONS).exists() or (folder / CONFIG).exists()


def read_run(folder: Path) -> RunFolder:
    """Read a training run.

    Raises
    ------
    InputError
        If the folder is none, the training is not complete, or a file is missing or damaged.
    NewerFormatError
        If a newer version of hrcam has written a file.
    """
    if not (folder / MANIFEST).exists():  # the last to be written
        if not is_run(folder):
            raise InputError(
                f"{folder} is no run: make one with `hrcam train COHORT --out {folder}`"
            )
        raise InputError(
            f"{folder}: its training is not complete; run the command `hrcam train COHORT --out "
            f"{folder}` again"
        )
    metrics = read_versioned(folder / METRICS, RUN_FORMAT)
    target, labels = metrics.get("target"), tuple(map(str, metrics.get("labels", ())))
    other = target is not None or bool(labels)
    classes = metrics.get("classes", [] if other else None)
    if not isinstance(classes, list) or (not other and len(classes) < 2):
        raise InputError(f"{folder / METRICS} names no classes: train again")
    names, table = tuple(map(str, classes)), folder / PREDICTIONS
    fingerprint, curve = folder / FINGERPRINT, folder / LEARNING_CURVE
    manifest = read_manifest(folder / MANIFEST)
    folds = range(1, int(manifest.get("folds", 0)) + 1)
    return RunFolder(
        folder=folder,
        classes=names,
        predictions=() if other else read_predictions(table, names),
        metrics=metrics,
        config=_read_config(folder),
        preparation=read_versioned(folder / PREPARATION, RUN_FORMAT),
        fingerprint=read_versioned(fingerprint, RUN_FORMAT) if fingerprint.exists() else {},
        manifest=manifest,
        splits=read_splits(folder / SPLITS),
        refused=read_refusals(folder / REFUSED),
        controls=read_controls([fold_folder(folder, fold) / CONTROLS for fold in folds]),
        learning_curve=read_versioned(curve, RUN_FORMAT) if curve.exists() else {},
        histories=tuple(read_history(fold_folder(folder, fold) / HISTORY) for fold in folds),
        distances=read_distances([fold_folder(folder, fold) / DISTANCES for fold in folds]),
        shortcuts=read_shortcuts(folder / SHORTCUTS),
        by_column=read_by_column(folder / BY_COLUMN),
        target=None if target is None else str(target),
        values=read_values(table) if target else (),
        labels=labels,
        labelled=read_labels(table, labels) if labels else (),
    )


def _read_config(folder: Path) -> dict[str, Any]:
    """Read what was asked for, and what was planned where nothing was."""
    config = read_versioned(folder / CONFIG, RUN_FORMAT)
    if not (folder / PLAN).exists():  # in earlier versions nothing was planned
        return config
    return {**config, **read_plan_file(folder / PLAN).values}


def seed_of(folder: Path) -> int | None:
    """Return the seed that a run was begun with; None if there is no run.

    Raises
    ------
    InputError
        If its options cannot be read.
    """
    if not (folder / CONFIG).exists():
        return None
    seed = read_versioned(folder / CONFIG, RUN_FORMAT).get("seed")
    return seed if isinstance(seed, int) else None


def begin_run(folder: Path, config: Mapping[str, Any], splits: Iterable[SplitRow]) -> None:
    """Make the folder of a run, or see that it was begun with this configuration and cohort.

    Parameters
    ----------
    folder
        New, empty, or begun before.
    config
        Everything that changes the result, as plain content for a JSON file.
    splits
        Of every scan.

    Raises
    ------
    InputError
        If it was begun with something else, or holds something else.
    NewerFormatError
        If a newer version of hrcam has begun it.
    """
    path, table = folder / SPLITS, encode_splits(splits)
    wanted = encode_json({FORMAT: RUN_FORMAT, **config})
    if claim_folder(folder, CONFIG, wanted) is not None:
        before = read_versioned(folder / CONFIG, RUN_FORMAT)
        if changed := changes(before, config):
            raise InputError(
                f"{folder} was begun with other options ({changed}): choose another folder, or "
                "repeat those options"
            )
    if not path.exists():  # new, or killed just after it was claimed
        write_atomically(path, table)
    elif path.read_bytes() != table:
        raise InputError(
            f"{folder} was begun with other scans or labels: choose another folder, or delete it"
        )


def keep_plan(
    folder: Path,
    values: Mapping[str, Any],
    reasons: Mapping[str, str],
    timings: Sequence[Timing] = (),
) -> bool:
    """Write the plan of a run that has begun, with what it was chosen by, once.

    Returns
    -------
    Whether this call did. If not, another job has; its plan may be another one.
    """
    if timings:
        create_atomically(folder / TIMINGS, encode_timings(timings))
    return create_atomically(folder / PLAN, encode_plan(values, reasons))


def write_inputs(
    folder: Path,
    preparation: Mapping[str, Any],
    fingerprint: Mapping[str, Any],
    refused: Iterable[Refused],
) -> None:
    """Write what the checks of a cohort led to: how images are prepared, and what was left out."""
    _write(folder / PREPARATION, preparation)
    _write(folder / FINGERPRINT, fingerprint)
    write_atomically(folder / REFUSED, encode_refusals(refused))


def read_folds(
    folder: Path, repeats: Sequence[int], classes: tuple[str, ...]
) -> tuple[Prediction, ...]:
    """Read the predictions of all folds, each of a repeat, in their order."""
    tables = zip(_fold_tables(folder, repeats), repeats, strict=True)
    return tuple(
        replace(one, fold=fold, repeat=repeat)
        for fold, (table, repeat) in enumerate(tables, 1)
        for one in read_predictions(table, classes)
    )


def write_pooled(
    folder: Path, repeats: Sequence[int], calibrated: Mapping[str, Sequence[float]] | None = None
) -> None:
    """Write ``predictions.tsv`` of a run; ``calibrated`` is as for `pool_predictions`."""
    pooled = pool_predictions(_fold_tables(folder, repeats), repeats, calibrated)
    write_atomically(folder / PREDICTIONS, pooled)


def pool_values(folder: Path, repeats: Sequence[int]) -> tuple[PredictedValue, ...]:
    """Write ``predictions.tsv`` of a regression, and return its rows."""
    write_pooled(folder, repeats)
    return read_values(folder / PREDICTIONS)


def pool_labels(
    folder: Path, repeats: Sequence[int], labels: Sequence[str]
) -> tuple[LabelPrediction, ...]:
    """Write ``predictions.tsv`` of several labels, and return its rows."""
    write_pooled(folder, repeats)
    return read_labels(folder / PREDICTIONS, labels)


def _fold_tables(folder: Path, repeats: Sequence[int]) -> list[Path]:
    return [fold_folder(folder, fold) / PREDICTIONS for fold in range(1, len(repeats) + 1)]


def write_metrics(folder: Path, metrics: Mapping[str, Any]) -> None:
    """Write ``metrics.json``."""
    _write(folder / METRICS, metrics)


def write_learning_curve(folder: Path, curve: Mapping[str, Any]) -> None:
    """Write ``learning-curve.json``."""
    _write(folder / LEARNING_CURVE, curve)


def fold_folder(run: Path, fold: int) -> Path:
    """Return where a fold, counted from 1, is written."""
    return run / f"fold-{fold}"


def is_done(fold: Path) -> bool:
    """Tell whether the folder of a fold is complete."""
    return (fold / FOLD).is_file()


def write_fold(fold: Path, details: Mapping[str, Any]) -> None:
    """Write ``fold.json``, after which the fold is done."""
    _write(fold / FOLD, details)


def read_fold(fold: Path) -> dict[str, Any]:
    """Read ``fold.json``; raises InputError if it is missing or damaged."""
    return read_versioned(fold / FOLD, RUN_FORMAT)


def _write(path: Path, content: Mapping[str, Any]) -> None:
    write_atomically(path, encode_json({FORMAT: RUN_FORMAT, **content}))
