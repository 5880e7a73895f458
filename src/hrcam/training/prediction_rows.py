"""The rows of predictions of a run as arrays."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from hrcam.artifacts.run_tables import Prediction
from hrcam.evaluation.prediction_arrays import PredictionArrays

Predictor = Literal["network", "head"]
"""Who predicts: the CNN itself, or HR-CAM's head."""


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
