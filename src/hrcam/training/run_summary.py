"""What a finished run reports: pooled predictions, metrics with intervals, manifest."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from hrcam.artifacts.manifest import MANIFEST, versions_of, write_manifest
from hrcam.artifacts.run_folder import (
    fold_folder,
    read_fold,
    read_folds,
    write_metrics,
    write_pooled,
)
from hrcam.artifacts.run_tables import HEAD_PROBABILITY, PROBABILITY, Prediction
from hrcam.cohort.scan import Cohort
from hrcam.cohort.splits import Fold
from hrcam.evaluation.chance import better_than_chance
from hrcam.evaluation.prediction import paired_difference, score_predictions
from hrcam.evaluation.prediction_metrics import METRICS, Metric
from hrcam.training.calibrated_predictions import Calibration, PredictionArrays
from hrcam.training.config import Hardware, TrainingConfig
from hrcam.training.library_networks import LIBRARIES

_LIBRARIES = ("hrcam", "torch", "monai", "lightning", "scikit-learn", "numpy", "nibabel", "pydicom")

Predictor = Literal["network", "head"]
"""Who predicts: the CNN itself, or HR-CAM's head."""

_COMPARED: tuple[Metric, ...] = ("accuracy", "balanced_accuracy", "auc")
_COLUMNS: dict[Predictor, str] = {"network": PROBABILITY, "head": HEAD_PROBABILITY}


def write_summary(
    folder: Path,
    cohort: Cohort,
    hashes: Mapping[str, str],
    config: TrainingConfig,
    network: str,
    hardware: Hardware,
    *,
    folds: Sequence[Fold],
    source: str,
    positive: str | None,
) -> dict[str, Any]:
    """Write ``predictions.tsv``, ``metrics.json`` and the manifest; return the metrics.

    Sensitivity and the like are of ``positive``, where there are two classes. ``source`` says on
    which scans the networks are scored.
    """
    classes = cohort.classes
    if positive is not None:  # the last one is what metrics are of
        classes = (*(name for name in classes if name != positive), positive)
    repeats = [fold.repeat for fold in folds]
    predictions = read_folds(folder, repeats, classes)
    arrays = {who: _arrays(predictions, who, classes) for who in _COLUMNS}
    calibrations = {who: Calibration.of(found) for who, found in arrays.items()}
    calibrated = {
        f"{_COLUMNS[who]}{name}": found.probabilities[:, index].tolist()
        for who, found in calibrations.items()
        if found is not None
        for index, name in enumerate(classes)
    }
    write_pooled(folder, repeats, calibrated)
    metrics: dict[str, Any] = {
        "source": source,
        "classes": list(classes),
        "positive_class": positive,
        **{
            who: _scores(found, calibrations[who], classes, config.seed)
            for who, found in arrays.items()
        },
        "head_minus_network": _difference(arrays, config.seed),
    }
    for who in ("network", "head"):
        for fold, scores in zip(folds, metrics[who]["folds"], strict=True):
            if fold.left_out:
                scores["left_out"] = fold.left_out
    write_metrics(folder, metrics)
    done = [read_fold(fold_folder(folder, fold)) for fold in range(1, len(repeats) + 1)]
    manifest = {
        "classes": list(cohort.classes),
        "folds": len(repeats),
        "repeats": max(repeats),
        "scans": len(cohort.scans),
        "reported": metrics["source"],
        "seed": config.seed,
        "inputs_sha256": _inputs_hash(cohort, hashes),
        "fold_details": done,
        "seconds": round(sum(one["seconds"] for one in done), 1),
        "hardware": hardware.model_dump(),
        "versions": versions_of(*_LIBRARIES, *_library_of(network)),
    }
    if torch.cuda.is_available():
        manifest["gpu"] = torch.cuda.get_device_name()
    write_manifest(folder / MANIFEST, manifest)
    return metrics


def _library_of(network: str) -> list[str]:
    """Return the library that a network is named after, if it is none of `_LIBRARIES`."""
    library = network.partition(":")[0]
    return [library] if library in LIBRARIES else []


def _scores(
    found: PredictionArrays, calibration: Calibration | None, classes: tuple[str, ...], seed: int
) -> dict[str, Any]:
    """Return the metrics of all test scans together, of each fold, and calibrated."""

    def scored(rows: NDArray[np.bool_]) -> dict[str, Any]:
        return score_predictions(
            found.labels[rows],
            found.probabilities[rows],
            classes=classes,
            groups=found.groups[rows],
            repeats=found.repeats[rows],
            seed=seed,
        ).to_json()

    folds = [scored(found.folds == number) for number in np.unique(found.folds)]
    chance = better_than_chance(
        found.labels,
        found.probabilities,
        groups=found.groups,
        folds=found.folds,
        repeats=found.repeats,
        seed=seed,
    )
    return {
        "pooled": scored(found.folds > 0),
        "folds": folds,
        "fold_mean": _mean(folds),
        "better_than_chance": None if chance is None else asdict(chance),
        "calibrated": None if calibration is None else calibration.to_json(found, classes, seed),
    }


def _mean(folds: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the mean of each metric over folds: pooled, networks with other scales are mixed."""
    if len(folds) < 2:
        return None
    found: dict[str, Any] = {}
    for metric in METRICS:
        values = [one[metric]["value"] for one in folds]
        value = None if None in values else float(np.mean(values))
        found[metric] = {"value": value, "low": None, "high": None}
    return found


def _difference(arrays: Mapping[Predictor, PredictionArrays], seed: int) -> dict[str, Any]:
    network, head = arrays["network"], arrays["head"]
    found: dict[str, Any] = {}
    for metric in _COMPARED:
        one = paired_difference(
            network.labels,
            head.probabilities,
            network.probabilities,
            metric,
            groups=network.groups,
            repeats=network.repeats,
            seed=seed,
        )
        found[metric] = {"value": one.value, "low": one.low, "high": one.high}
    return found


def _arrays(
    predictions: Sequence[Prediction], who: Predictor, classes: tuple[str, ...]
) -> PredictionArrays:
    probabilities = np.array([getattr(one, who) for one in predictions], float)
    # Six digits are written, so that rows add up to 1 only nearly.
    probabilities /= probabilities.sum(1, keepdims=True)
    return PredictionArrays(
        labels=np.array([classes.index(one.label) for one in predictions]),
        probabilities=probabilities,
        groups=np.array([one.group for one in predictions]),
        folds=np.array([one.fold for one in predictions]),
        repeats=np.array([one.repeat for one in predictions]),
    )


def _inputs_hash(cohort: Cohort, hashes: Mapping[str, str]) -> str:
    """Return one hash of what was learnt from: every scan's name, label, group and voxels."""
    rows = sorted(
        "\t".join((scan.name, str(scan.label), scan.group, hashes[scan.name]))
        for scan in cohort.scans
    )
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()
