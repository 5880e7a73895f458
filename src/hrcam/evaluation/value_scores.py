"""Scores of predicted values, as of a regression, with bootstrap intervals over subjects."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hrcam.errors import InputError
from hrcam.evaluation.bootstrap import sample_weights, subject_indices
from hrcam.evaluation.estimate import Estimate, estimate_of
from hrcam.evaluation.prediction import repeat_indices

ValueMetric = Literal["r2", "mae", "pearson", "spearman"]
VALUE_METRICS: tuple[ValueMetric, ...] = get_args(ValueMetric)

_MOST_WEIGHTS = 1_000_000
"""Largest number of weights in memory at a time: 8 MB."""


@dataclass(frozen=True)
class ValueScores:
    """Scores of one predictor on one set of images.

    Attributes
    ----------
    metrics
        ``r2``, the coefficient of determination: 1 is perfect, 0 as good as the mean of these
        images, and it may be negative; ``mae``, the mean absolute error, in units of the value;
        ``pearson`` and ``spearman``, the correlations of values and of ranks. Undefined without
        two different values. Of several repeats each is the mean.
    images, subjects, resamples, repeats
        Their numbers; ``resamples`` is 0 for a single subject.
    """

    metrics: Mapping[ValueMetric, Estimate]
    images: int
    subjects: int
    resamples: int
    repeats: int

    def to_json(self) -> dict[str, Any]:
        """Return each metric as ``{"value", "low", "high"}``, and the numbers."""
        return {
            **{name: one.to_json() for name, one in self.metrics.items()},
            "images": self.images,
            "subjects": self.subjects,
            "resamples": self.resamples,
            "repeats": self.repeats,
        }


def score_values(
    true: ArrayLike,
    predicted: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    repeats: ArrayLike | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> ValueScores:
    """Score predicted values, with 95 % bootstrap intervals over subjects.

    Parameters
    ----------
    true, predicted
        One value for each image, finite, shape (N,).
    groups
        The subject of each image, shape (N,), who is resampled with all images. None if every
        image is of another subject. With a single subject there are no intervals.
    repeats
        The cross-validation that each prediction is of, shape (N,): each predicts all images, is
        scored in the same resamples, and the scores are averaged. None for one.
    resamples
        Number of resamples.
    seed
        Random seed.

    Raises
    ------
    InputError
        If the values, groups or repeats do not match, there is no image, or a value is not finite.
    """
    actual, guess = _checked(true), _checked(predicted)
    if actual.size != guess.size:
        raise InputError(f"There are {actual.size} true values and {guess.size} predicted ones.")
    subjects, repeat = subject_indices(groups, actual.size), repeat_indices(repeats, actual.size)
    found = _resampled(actual, guess, subjects, repeat, resamples, seed)
    number = int(repeat.max()) + 1
    return ValueScores(
        {name: estimate_of(each) for name, each in found.items()},
        images=actual.size // number,
        subjects=int(subjects.max()) + 1,
        resamples=len(found["r2"]) - 1,
        repeats=number,
    )


def value_differences(
    true: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    repeats: ArrayLike | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> dict[ValueMetric, Estimate]:
    """Subtract the second predictor's scores from the first's, in the same resamples.

    Parameters
    ----------
    true, first, second
        One value for each image, finite, shape (N,).
    groups, repeats, resamples, seed
        As for `score_values`.

    Raises
    ------
    InputError
        As `score_values`.
    """
    actual, ours, theirs = _checked(true), _checked(first), _checked(second)
    if not actual.size == ours.size == theirs.size:
        raise InputError(f"There are {actual.size}, {ours.size} and {theirs.size} values.")
    subjects, repeat = subject_indices(groups, actual.size), repeat_indices(repeats, actual.size)
    one, other = (
        _resampled(actual, each, subjects, repeat, resamples, seed) for each in (ours, theirs)
    )
    return {name: estimate_of(one[name] - other[name]) for name in VALUE_METRICS}


def _checked(values: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not array.size:
        raise InputError(f"Values have the shape {array.shape}: give one for each image.")
    if bad := int(array.size - np.isfinite(array).sum()):
        raise InputError(f"{bad} of {array.size} values are NaN or infinite: leave them out.")
    return array


def _resampled(
    true: NDArray[np.float64],
    predicted: NDArray[np.float64],
    subjects: NDArray[np.intp],
    repeat: NDArray[np.intp],
    resamples: int,
    seed: int,
) -> dict[ValueMetric, NDArray[np.float64]]:
    """Return each metric of the sample, then of the resamples, shape (1 + resamples,)."""
    draws = sample_weights(subjects, resamples, seed)
    rows = max(1, _MOST_WEIGHTS // true.size)
    of_repeats = []
    for number in range(int(repeat.max()) + 1):
        own = repeat == number
        parts = [
            _metrics(true[own], predicted[own], draws[start : start + rows, subjects[own]])
            for start in range(0, len(draws), rows)
        ]
        of_repeats.append({key: np.concatenate([p[key] for p in parts]) for key in VALUE_METRICS})
    return {key: np.mean([one[key] for one in of_repeats], axis=0) for key in VALUE_METRICS}


def _metrics(
    true: NDArray[np.float64], predicted: NDArray[np.float64], weights: NDArray[np.float64]
) -> dict[ValueMetric, NDArray[np.float64]]:
    """Return each metric under weights of the images, (D, N); NaN where it is undefined."""
    total = weights.sum(1)
    errors = predicted - true
    deviations = true - (weights @ true / total)[:, None]
    spread = (weights * deviations**2).sum(1)
    return {
        "r2": 1 - _ratio(weights @ errors**2, spread),
        "mae": weights @ np.abs(errors) / total,
        "pearson": _correlation(true, predicted, weights),
        "spearman": _correlation(_ranks(true, weights), _ranks(predicted, weights), weights),
    }


def _ranks(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rank of each image under each weighting, (D, N), ties sharing their mean."""
    distinct, places = np.unique(values, return_inverse=True)
    sums = np.zeros((len(weights), distinct.size))
    for place in range(values.size):
        sums[:, places[place]] += weights[:, place]
    ranks: NDArray[np.float64] = (np.cumsum(sums, axis=1) - sums / 2)[:, places]
    return ranks


def _correlation(
    first: NDArray[np.float64], second: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the weighted correlation, (D,), of values of shape (N,) or (D, N)."""
    total = weights.sum(1, keepdims=True)
    a, b = (values - (weights * values).sum(1, keepdims=True) / total for values in (first, second))
    product = (weights * a * b).sum(1)
    return _ratio(product, np.sqrt((weights * a**2).sum(1) * (weights * b**2).sum(1)))


def _ratio(top: NDArray[np.float64], bottom: NDArray[np.float64]) -> NDArray[np.float64]:
    defined = bottom > 0
    return np.asarray(np.divide(top, bottom, out=np.full(top.shape, np.nan), where=defined))
