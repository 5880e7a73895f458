"""Calibration of predicted probabilities: reliability curves."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hrcam.errors import InputError
from hrcam.evaluation.estimate import wilson_interval
from hrcam.evaluation.prediction_checks import checked_class, checked_predictions

BINS = 10


@dataclass(frozen=True)
class CalibrationBin:
    """One bin of images with similar predicted probabilities.

    Attributes
    ----------
    predicted
        Mean predicted probability.
    observed
        Fraction of the images that are of the class.
    low, high
        Wilson's 95 % interval of ``observed``, for independent images.
    count
        Number of predictions.
    """

    predicted: float
    observed: float
    low: float
    high: float
    count: int


def reliability(
    labels: ArrayLike,
    probabilities: ArrayLike,
    bins: int = BINS,
    *,
    positive: int = -1,
    repeats: int = 1,
) -> tuple[CalibrationBin, ...]:
    """Compare the predicted probability of one class with its observed frequency.

    Bins have equal numbers of images, because with equal widths most would be nearly empty (Nixon
    et al., CVPR Workshops 2019), and the bias is smaller (Roelofs et al., AISTATS 2022).

    Parameters
    ----------
    labels
        Index of each image's class, shape (N,).
    probabilities
        Probability of each class, shape (N, K).
    bins
        Number of bins; equal probabilities share one bin, so there may be fewer.
    positive
        Index of the class; by default the last.
    repeats
        Number of predictions of each image, which are not so many independent images.

    Returns
    -------
    tuple of CalibrationBin
        Bins in ascending order; none is empty.

    Raises
    ------
    InputError
        If the predictions are invalid, the class does not exist, or there is less than one bin.
    """
    true, predicted = checked_predictions(labels, probabilities)
    positive = checked_class(positive, predicted.shape[1])
    chances, hits = predicted[:, positive], true == positive
    index = equal_mass_bins(chances, bins)
    table = []
    for number in np.unique(index):
        inside = index == number
        count, right = int(inside.sum()), int(hits[inside].sum())
        low, high = wilson_interval(right / repeats, count / repeats)
        mean = float(chances[inside].mean())
        table.append(CalibrationBin(mean, right / count, low, high, count))
    return tuple(table)


def equal_mass_bins(values: NDArray[np.float64], bins: int = BINS) -> NDArray[np.intp]:
    """Assign values to bins of equal numbers; equal values share one bin.

    Parameters
    ----------
    values
        Shape (N,).
    bins
        Number of bins, at least 1.

    Returns
    -------
    numpy.ndarray
        Bin of each value, in the order of the values, shape (N,).

    Raises
    ------
    InputError
        If ``bins`` is less than 1.
    """
    if bins < 1:
        raise InputError(f"bins must be at least 1, not {bins}.")
    edges = np.quantile(values, np.arange(1, bins) / bins)
    return np.searchsorted(edges, values, side="left")
