"""Metrics of predicted classes: of all test scans together, of each fold, and calibrated."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hrcam.artifacts.run_folder import read_folds, write_pooled
from hrcam.artifacts.run_tables import HEAD_PROBABILITY, PROBABILITY
from hrcam.evaluation.chance import better_than_chance
from hrcam.evaluation.prediction import score_predictions
from hrcam.evaluation.prediction_arrays import PredictionArrays, paired_differences
from hrcam.evaluation.prediction_metrics import METRICS, Metric
from hrcam.training.calibrated_predictions import Calibration
from hrcam.training.ensemble_metrics import ensemble_metrics
from hrcam.training.fold_scores import scores_by_fold
from hrcam.training.prediction_rows import Predictor, prediction_arrays

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
    arrays = {who: prediction_arrays(predictions, classes, who) for who in _COLUMNS}
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
    """Return the metrics of all test scans, of each fold, of all repeats' means, and calibrated."""

    def scored(rows: NDArray[np.bool_]) -> dict[str, Any]:
        return score_predictions(
            found.labels[rows],
            found.probabilities[rows],
            classes=classes,
            groups=found.groups[rows],
            repeats=found.repeats[rows],
            seed=seed,
        ).to_json()

    chance = better_than_chance(
        found.labels,
        found.probabilities,
        groups=found.groups,
        folds=found.folds,
        repeats=found.repeats,
        seed=seed,
    )
    return {
        **scores_by_fold(found.folds, scored, METRICS),
        "better_than_chance": None if chance is None else asdict(chance),
        "ensemble": ensemble_metrics(found, classes, seed),
        "calibrated": None if calibration is None else calibration.to_json(found, classes, seed),
    }


def _difference(
    arrays: Mapping[Predictor, PredictionArrays], seed: int
) -> dict[Metric, dict[str, Any]]:
    network, head = arrays["network"], arrays["head"]
    return paired_differences(network, head.probabilities, network.probabilities, _COMPARED, seed)
