"""Predictions of several folds and repeats as arrays, and their paired differences."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hrcam.evaluation.prediction import paired_difference
from hrcam.evaluation.prediction_metrics import Metric


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
