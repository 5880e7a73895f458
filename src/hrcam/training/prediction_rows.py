"""Predicted classes as arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hrcam.artifacts.run_tables import Prediction
from hrcam.evaluation.prediction import paired_difference
from hrcam.evaluation.prediction_metrics import Metric

Predictor = Literal["network", "head"]
"""Who predicts: the CNN itself, or HR-CAM's head."""


@dataclass(frozen=True, eq=False)
class PredictionArrays:
    """Predictions of one predictor as arrays.

    Attributes
    ----------
    labels
        Class indices, shape (N,).
    probabilities
        Shape (N, K).
    scans, groups, folds, repeats
        Of each prediction, shape (N,).
    """

    labels: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    scans: NDArray[np.str_]
    groups: NDArray[np.str_]
    folds: NDArray[np.int64]
    repeats: NDArray[np.int64]


def prediction_arrays(
    predictions: Sequence[Prediction], classes: Sequence[str], who: Predictor = "network"
) -> PredictionArrays:
    """Return the predictions of all folds as arrays; classes are in the order of probabilities."""
    probabilities = np.array([getattr(one, who) for one in predictions], float)
    # Six digits are written, so that rows add up to 1 only nearly.
    probabilities /= probabilities.sum(1, keepdims=True)
    return PredictionArrays(
        labels=np.array([classes.index(one.label) for one in predictions]),
        probabilities=probabilities,
        scans=np.array([one.scan for one in predictions]),
        groups=np.array([one.group for one in predictions]),
        folds=np.array([one.fold for one in predictions]),
        repeats=np.array([one.repeat for one in predictions]),
    )


def paired_differences(
    found: PredictionArrays,
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    metrics: Sequence[Metric],
    seed: int,
) -> dict[Metric, dict[str, Any]]:
    """Subtract metrics of the second probabilities, (N, K), from the first's, with intervals.

    As `hrcam.evaluation.prediction.paired_difference`, on the scans of the predictions.
    """
    return {
        metric: paired_difference(
            found.labels,
            first,
            second,
            metric,
            groups=found.groups,
            repeats=found.repeats,
            seed=seed,
        ).to_json()
        for metric in metrics
    }
