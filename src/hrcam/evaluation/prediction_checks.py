"""Checks of labels and predicted probabilities."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hrcam.errors import InputError

TOLERANCE = 1e-3
"""Tolerance of the sum of probabilities, for softmax in half precision."""


def checked_predictions(
    labels: ArrayLike, probabilities: ArrayLike
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Check the true classes and the predicted probabilities of some images.

    Parameters
    ----------
    labels
        Index of each image's class, whole numbers from 0 to K - 1, shape (N,), N ≥ 1. A class
        may be absent.
    probabilities
        Probability of each class, rows adding up to 1, shape (N, K), K ≥ 2.

    Returns
    -------
    labels, probabilities
        As arrays.

    Raises
    ------
    InputError
        If shapes do not fit, there is no image, a label is not a class's index, a probability is
        NaN or outside 0 to 1, or rows do not add up to 1.
    """
    true, predicted = np.asarray(labels), np.asarray(probabilities)
    if predicted.ndim == 1 or (predicted.ndim == 2 and predicted.shape[1] == 1):
        raise InputError(
            f"Probabilities have shape {predicted.shape}: give one column per class; for the "
            "probability p of the positive class that is (1 - p, p)."
        )
    if predicted.ndim != 2 or true.ndim != 1 or len(true) != len(predicted):
        raise InputError(
            f"Labels have shape {true.shape} and probabilities {predicted.shape}: use (images,) "
            "and (images, classes)."
        )
    images, classes = predicted.shape
    if images == 0:
        raise InputError("There is no prediction to score: give at least one image.")
    return _checked_labels(true, classes), _checked_probabilities(predicted)


def checked_class(positive: int, classes: int) -> int:
    """Return the index of a class from 0; a negative index counts from the end."""
    if not -classes <= positive < classes:
        raise InputError(f"positive is {positive}: use the index of one of {classes} classes.")
    return positive % classes


def _checked_labels(labels: NDArray[np.generic], classes: int) -> NDArray[np.intp]:
    if labels.dtype.kind not in "iub":
        raise InputError(
            f"Labels are of type {labels.dtype}: use whole numbers, the indices of the classes."
        )
    index = labels.astype(np.intp)
    if wrong := int(((index < 0) | (index >= classes)).sum()):
        raise InputError(
            f"{wrong} of {index.size} labels are not from 0 to {classes - 1}, though there are "
            f"probabilities of {classes} classes: leave images without a label out, and give a "
            "column to every class."
        )
    return index


def _checked_probabilities(probabilities: NDArray[np.generic]) -> NDArray[np.float64]:
    if probabilities.dtype.kind not in "fiub":
        raise InputError(f"Probabilities are of type {probabilities.dtype}: use real numbers.")
    values = probabilities.astype(np.float64)
    images = len(values)
    if bad := int((~np.isfinite(values)).any(1).sum()):
        raise InputError(
            f"The probabilities of {bad} of {images} images are NaN or infinite: check that "
            "training did not diverge, or leave these images out."
        )
    off = np.abs(values.sum(1) - 1)
    outside = (values < 0) | (values > 1 + TOLERANCE)
    if bad := int((outside.any(1) | (off > TOLERANCE)).sum()):
        raise InputError(
            f"The probabilities of {bad} of {images} images are negative or do not add up to 1 "
            f"(off by up to {off.max():.3g}): if they are logits, apply a softmax first."
        )
    return values
