"""Metrics of predicted classes: of all test scans together, of each fold, and calibrated."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hrcam.artifacts.run_folder import read_folds, write_pooled
from hrcam.artifacts.run_tables import HEAD_PROBABILITY, PROBABILITY, Prediction
from hrcam.evaluation.chance import better_than_chance
from hrcam.evaluation.prediction import paired_difference, score_predictions
from hrcam.evaluation.prediction_metrics import METRICS, Metric
from hrcam.training.calibrated_predictions import Calibration, PredictionArrays

Predictor = Literal["network", "head"]
"""Who predicts: the CNN itself, or HR-CAM's head."""

_COMPARED: tuple[Metric, ...] = ("accuracy", "balanced_accuracy", "auc")
_COLUMNS: dict[Predictor, str] = {"network": PROBABILITY, "head": HEAD_PROBABILITY}


def class_metrics(
    folder: Path,
    classes: tuple[str, ...],
    *,
    repeats: Sequence[int],
    source: str,
    positive: str | None,
    seed: int,
) -> dict[str, Any]:
    """Write the pooled ``predictions.tsv`` of a run, and return the content of ``metrics.json``.

    Parameters
    ----------
    folder
        Of the run.
    classes
        Names; of two, the last is the positive one.
    repeats
        Which division into folds each fold belongs to.
    source
        Which scans were predicted.
    positive
        The positive class of two, which sensitivity and the like are of; None of more.
    seed
        Of the resampling.
    """
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
    return {
        "source": source,
        "classes": list(classes),
        "positive_class": positive,
        **{who: _scores(found, calibrations[who], classes, seed) for who, found in arrays.items()},
        "head_minus_network": _difference(arrays, seed),
    }


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
