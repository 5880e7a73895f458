"""Temperature scaling: probabilities that are as certain as they are right."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from hrcam.errors import InputError
from hrcam.evaluation.prediction_checks import checked_predictions

MOST = 20.0
"""Largest temperature, and one over the smallest."""

_SMALLEST = np.finfo(np.float64).tiny  # a probability that is written as 0


@dataclass(frozen=True)
class FoldTemperatures:
    """Temperatures of a cross-validation.

    Attributes
    ----------
    by_fold
        Of each fold, from the predictions of the other folds of its division.
    everyone
        From all predictions: for new images.
    """

    by_fold: dict[int, float]
    everyone: float


def fit_temperature(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Find the temperature that makes predicted probabilities most likely.

    One number divides all logits (Guo et al., ICML 2017), so the order of images by the
    probability of a class of two, and hence the AUC, does not change. Labels count as slightly
    uncertain, the less the more images there are of a class (Platt, 1999): without that, a few
    images that are all predicted right would have a temperature of 0.

    Parameters
    ----------
    labels
        Index of each image's class, shape (N,).
    probabilities
        Probability of each class by a predictor that has not learnt from these images, shape
        (N, K).

    Returns
    -------
    float
        Above 1 if the predictor is too certain; from 1 / `MOST` to `MOST`, of which neither is a
        temperature that helps (`at_limit`).

    Raises
    ------
    InputError
        As for `hrcam.evaluation.prediction.score_predictions`.
    """
    true, predicted = checked_predictions(labels, probabilities)
    logits, classes = _logits(predicted), predicted.shape[1]
    counts = np.bincount(true, minlength=classes)[true]
    targets = np.repeat(1 / (counts + classes)[:, None], classes, axis=1)
    targets[np.arange(true.size), true] = (counts + 1) / (counts + classes)

    def loss(log_temperature: float) -> float:
        scaled = log_softmax(logits / math.exp(log_temperature), axis=1)
        return -float((targets * scaled).sum())

    found = minimize_scalar(loss, bounds=(-math.log(MOST), math.log(MOST)), method="bounded")
    return math.exp(found.x)


def at_limit(temperature: float) -> bool:
    """Whether the search for a temperature has ended at its limit, where none is the best."""
    return abs(math.log(temperature)) > 0.99 * math.log(MOST)


def fold_temperatures(
    labels: ArrayLike, probabilities: ArrayLike, folds: ArrayLike, repeats: ArrayLike
) -> FoldTemperatures | None:
    """Find the temperature of each fold from the predictions of the others, and one of all.

    Parameters
    ----------
    labels, probabilities
        As for `fit_temperature`, out of fold.
    folds, repeats
        Fold and repeat of each prediction, shape (N,); each fold is of one repeat, in which no
        other fold predicts its images.

    Returns
    -------
    FoldTemperatures
        None if a repeat has one fold.

    Raises
    ------
    InputError
        As for `fit_temperature`, or if the shapes do not match.
    """
    true, predicted = checked_predictions(labels, probabilities)
    fold, repeat = np.asarray(folds), np.asarray(repeats)
    if fold.shape != true.shape or repeat.shape != true.shape:
        raise InputError(
            f"Folds have shape {fold.shape} and repeats {repeat.shape}, the labels {true.shape}."
        )
    by_fold = {}
    for number in np.unique(fold):
        own = fold == number
        others = (repeat == repeat[own][0]) & ~own
        if not others.any():
            return None
        by_fold[int(number)] = fit_temperature(true[others], predicted[others])
    return FoldTemperatures(by_fold, fit_temperature(true, predicted))


def with_temperature(
    probabilities: NDArray[np.float64], temperature: float | NDArray[np.float64]
) -> NDArray[np.float64]:
    """Divide the logits of probabilities by a temperature.

    Parameters
    ----------
    probabilities
        Shape (N, K).
    temperature
        One, or one for each row, shape (N,).

    Returns
    -------
    numpy.ndarray
        Probabilities, shape (N, K).
    """
    scaled: NDArray[np.float64] = softmax(
        _logits(probabilities) / np.reshape(temperature, (-1, 1)), axis=1
    )
    return scaled


def _logits(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    logits: NDArray[np.float64] = np.log(np.maximum(probabilities, _SMALLEST))
    return logits
