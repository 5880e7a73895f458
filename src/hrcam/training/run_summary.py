"""What a finished run reports: pooled predictions, metrics with intervals, manifest."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from hrcam.artifacts.atomic import write_atomically
from hrcam.artifacts.manifest import versions_of
from hrcam.artifacts.text import encode_json
from hrcam.cohort.scan import Cohort
from hrcam.evaluation.prediction import paired_difference, score_predictions
from hrcam.evaluation.prediction_metrics import METRICS as EVERY_METRIC
from hrcam.training.config import Hardware, TrainingConfig
from hrcam.training.fold import DONE, as_tsv
from hrcam.training.fold import PREDICTIONS as FOLD_PREDICTIONS
from hrcam.training.run import MANIFEST, METRICS, PREDICTIONS, fold_folder

_LIBRARIES = ("hrcam", "torch", "monai", "lightning", "scikit-learn", "numpy", "nibabel", "pydicom")
PREDICTORS = {"network": "probability_", "head": "head_probability_"}
"""Who predicts, with the start of its columns: the CNN itself, and HR-CAM's head."""


def write_summary(
    folder: Path,
    cohort: Cohort,
    hashes: Mapping[str, str],
    config: TrainingConfig,
    hardware: Hardware,
    *,
    folds: int,
    own_split: bool,
    positive: str | None,
) -> dict[str, Any]:
    """Write ``predictions.tsv``, ``metrics.json`` and the manifest; return the metrics.

    Sensitivity and the like are of ``positive``, where there are two classes.
    """
    classes = cohort.classes
    if positive is not None:  # the last one is what metrics are of
        classes = (*(name for name in classes if name != positive), positive)
    table = _pooled(folder, folds)
    write_atomically(folder / PREDICTIONS, as_tsv(table))
    metrics = {
        "source": "test split" if own_split else "out-of-fold",
        "classes": list(classes),
        "positive_class": positive,
        **{who: _scores(table, start, classes, config.seed) for who, start in PREDICTORS.items()},
        "head_minus_network": _difference(table, classes, config.seed),
    }
    write_atomically(folder / METRICS, encode_json(metrics))
    done = [
        json.loads((fold_folder(folder, fold) / DONE).read_text()) for fold in range(1, folds + 1)
    ]
    manifest = {
        "classes": list(cohort.classes),
        "folds": folds,
        "scans": len(cohort.scans),
        "reported": metrics["source"],
        "seed": config.seed,
        "inputs_sha256": _inputs_hash(cohort, hashes),
        "fold_details": done,
        "seconds": round(sum(one["seconds"] for one in done), 1),
        "hardware": hardware.model_dump(),
        "versions": versions_of(*_LIBRARIES),
    }
    if torch.cuda.is_available():
        manifest["gpu"] = torch.cuda.get_device_name()
    write_atomically(folder / MANIFEST, encode_json(manifest))
    return metrics


def _pooled(folder: Path, folds: int) -> pd.DataFrame:
    tables = []
    for fold in range(1, folds + 1):
        path = fold_folder(folder, fold) / FOLD_PREDICTIONS
        text = dict.fromkeys(("scan", "participant", "group", "label", "predicted"), str)
        table = pd.read_csv(path, sep="\t", dtype=text, keep_default_na=False)
        table.insert(4, "fold", fold)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def _scores(table: pd.DataFrame, start: str, classes: tuple[str, ...], seed: int) -> dict[str, Any]:
    """Return the metrics of all test scans together, and of each fold."""

    def scored(part: pd.DataFrame) -> dict[str, Any]:
        return score_predictions(
            *_arrays(part, start, classes),
            classes=classes,
            groups=part["group"].to_numpy(),
            seed=seed,
        ).to_json()

    folds = [scored(part) for _, part in table.groupby("fold", sort=True)]
    return {"pooled": scored(table), "folds": folds, "fold_mean": _mean(folds)}


def _mean(folds: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the mean of each metric over folds: pooled, networks with other scales are mixed."""
    if len(folds) < 2:
        return None
    found: dict[str, Any] = {}
    for metric in EVERY_METRIC:
        values = [one[metric]["value"] for one in folds]
        value = None if None in values else float(np.mean(values))
        found[metric] = {"value": value, "low": None, "high": None}
    return found


def _difference(table: pd.DataFrame, classes: tuple[str, ...], seed: int) -> dict[str, Any]:
    labels, head = _arrays(table, PREDICTORS["head"], classes)
    _, network = _arrays(table, PREDICTORS["network"], classes)
    groups = table["group"].to_numpy()
    found = {}
    for metric in ("accuracy", "balanced_accuracy", "auc"):
        one = paired_difference(labels, head, network, metric, groups=groups, seed=seed)
        found[metric] = {"value": one.value, "low": one.low, "high": one.high}
    return found


def _arrays(
    table: pd.DataFrame, start: str, classes: tuple[str, ...]
) -> tuple[np.ndarray, np.ndarray]:
    probabilities = table[[f"{start}{name}" for name in classes]].to_numpy(dtype=float)
    # Six digits are written, so that rows add up to 1 only nearly.
    probabilities /= probabilities.sum(1, keepdims=True)
    return table["label"].map(classes.index).to_numpy(), probabilities


def _inputs_hash(cohort: Cohort, hashes: Mapping[str, str]) -> str:
    """Return one hash of what was learnt from: every scan's name, label, group and voxels."""
    rows = sorted(
        "\t".join((scan.name, str(scan.label), scan.group, hashes[scan.name]))
        for scan in cohort.scans
    )
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()
