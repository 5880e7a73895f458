"""The receiver operating characteristic (ROC) curve."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import roc_curve

from hrcam.errors import InputError
from hrcam.evaluation.prediction_checks import checked_class, checked_predictions


def roc_points(
    labels: ArrayLike, probabilities: ArrayLike, *, positive: int = -1
) -> NDArray[np.float64]:
    """Compute the corners of the ROC curve of one class against all others.

    Parameters
    ----------
    labels
        Index of each image's class, shape (N,).
    probabilities
        Probability of each class, shape (N, K).
    positive
        Index of the class; by default the last.

    Returns
    -------
    numpy.ndarray
        False positive rate and sensitivity, from (0, 0) to (1, 1), shape (points, 2).

    Raises
    ------
    InputError
        If the predictions are invalid, the class does not exist, or there is no image of the
        class or of any other.
    """
    true, predicted = checked_predictions(labels, probabilities)
    positive = checked_class(positive, predicted.shape[1])
    hits = true == positive
    if hits.all() or not hits.any():
        raise InputError(
            f"{hits.sum()} of {hits.size} images are of class {positive}: a ROC curve needs images "
            "of the class and of others."
        )
    false_alarms, sensitivity, _ = roc_curve(hits, predicted[:, positive])
    return np.stack([false_alarms, sensitivity], axis=1)
