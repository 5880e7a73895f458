"""What a finished run reports: pooled predictions, metrics with intervals, manifest."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from hrcam.artifacts.manifest import MANIFEST, versions_of, write_manifest
from hrcam.artifacts.run_folder import fold_folder, pool_folds, read_fold, write_metrics
from hrcam.artifacts.run_tables import Prediction
from hrcam.cohort.scan import Cohort
from hrcam.cohort.splits import Fold
from hrcam.evaluation.prediction import paired_difference, score_predictions
from hrcam.evaluation.prediction_metrics import METRICS
from hrcam.training.config import Hardware, TrainingConfig
from hrcam.training.library_networks import LIBRARIES

_LIBRARIES = ("hrcam", "torch", "monai", "lightning", "scikit-learn", "numpy", "nibabel", "pydicom")

Predictor = Literal["network", "head"]
"""Who predicts: the CNN itself, or HR-CAM's head."""


def write_summary(
    folder: Path,
    cohort: Cohort,
    hashes: Mapping[str, str],
    config: TrainingConfig,
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
    predictions = pool_folds(folder, repeats, classes)
    metrics: dict[str, Any] = {
        "source": source,
        "classes": list(classes),
        "positive_class": positive,
        "network": _scores(predictions, "network", classes, config.seed),
        "head": _scores(predictions, "head", classes, config.seed),
        "head_minus_network": _difference(predictions, classes, config.seed),
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
        "versions": versions_of(*_LIBRARIES, *_library_of(config.network)),
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
    predictions: Sequence[Prediction], who: Predictor, classes: tuple[str, ...], seed: int
) -> dict[str, Any]:
    """Return the metrics of all test scans together, and of each fold."""

    def scored(part: Sequence[Prediction]) -> dict[str, Any]:
        labels, probabilities = _arrays(part, who, classes)
        return score_predictions(
            labels,
            probabilities,
            classes=classes,
            groups=_groups(part),
            repeats=_repeats(part),
            seed=seed,
        ).to_json()

    numbers = sorted({one.fold for one in predictions if one.fold is not None})
    folds = [scored([one for one in predictions if one.fold == number]) for number in numbers]
    return {"pooled": scored(predictions), "folds": folds, "fold_mean": _mean(folds)}


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


def _difference(
    predictions: Sequence[Prediction], classes: tuple[str, ...], seed: int
) -> dict[str, Any]:
    labels, head = _arrays(predictions, "head", classes)
    _, network = _arrays(predictions, "network", classes)
    groups, repeats = _groups(predictions), _repeats(predictions)
    found = {}
    for metric in ("accuracy", "balanced_accuracy", "auc"):
        one = paired_difference(
            labels, head, network, metric, groups=groups, repeats=repeats, seed=seed
        )
        found[metric] = {"value": one.value, "low": one.low, "high": one.high}
    return found


def _arrays(
    predictions: Sequence[Prediction], who: Predictor, classes: tuple[str, ...]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    probabilities = np.array([getattr(one, who) for one in predictions], float)
    # Six digits are written, so that rows add up to 1 only nearly.
    probabilities /= probabilities.sum(1, keepdims=True)
    return np.array([classes.index(one.label) for one in predictions]), probabilities


def _groups(predictions: Sequence[Prediction]) -> NDArray[np.str_]:
    return np.array([one.group for one in predictions])


def _repeats(predictions: Sequence[Prediction]) -> NDArray[np.int64]:
    return np.array([one.repeat for one in predictions])


def _inputs_hash(cohort: Cohort, hashes: Mapping[str, str]) -> str:
    """Return one hash of what was learnt from: every scan's name, label, group and voxels."""
    rows = sorted(
        "\t".join((scan.name, str(scan.label), scan.group, hashes[scan.name]))
        for scan in cohort.scans
    )
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()
