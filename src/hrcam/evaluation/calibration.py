"""Whether predicted probabilities hold: of images given 80 %, are 80 % of that class."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hrcam.errors import InputError
from hrcam.evaluation.estimate import wilson_interval
from hrcam.evaluation.prediction_checks import checked_class, checked_predictions

BINS = 10


@dataclass(frozen=True)
class CalibrationBin:
    """Images whose predicted probabilities are close to each other.

    Attributes
    ----------
    predicted
        Mean predicted probability.
    observed
        Share of the images that are of the class.
    low, high
        Wilson's 95 % interval of ``observed``, as if the images were independent.
    count
        Number of images.
    """

    predicted: float
    observed: float
    low: float
    high: float
    count: int


def reliability(
    labels: ArrayLike, probabilities: ArrayLike, bins: int = BINS, *, positive: int = -1
) -> tuple[CalibrationBin, ...]:
    """Compare the predicted probability of one class with how often it is right.

    Bins hold equally many images: with equal widths most of them would be empty or nearly so,
    because networks are mostly sure (Nixon et al., CVPR Workshops 2019; less biased too, Roelofs
    et al., AISTATS 2022).

    Parameters
    ----------
    labels
        Index of each image's class, shape (N,).
    probabilities
        Of each class, shape (N, K).
    bins
        How many; equal probabilities stay in one bin, so there may be fewer.
    positive
        Index of the class; by default the last.

    Returns
    -------
    tuple of CalibrationBin
        From the smallest probabilities to the largest; none is empty.

    Raises
    ------
    InputError
        If the predictions cannot be used, or there is no such class or less than one bin.
    """
    true, predicted = checked_predictions(labels, probabilities)
    positive = checked_class(positive, predicted.shape[1])
    chances, hits = predicted[:, positive], true == positive
    index = equal_mass_bins(chances, bins)
    table = []
    for number in np.unique(index):
        inside = index == number
        count, right = int(inside.sum()), int(hits[inside].sum())
        low, high = wilson_interval(right, count)
        mean = float(chances[inside].mean())
        table.append(CalibrationBin(mean, right / count, low, high, count))
    return tuple(table)


def equal_mass_bins(values: NDArray[np.float64], bins: int = BINS) -> NDArray[np.intp]:
    """Sort values into bins of equal size, but equal values into the same.

    Parameters
    ----------
    values
        Shape (N,).
    bins
        How many, at least 1.

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
