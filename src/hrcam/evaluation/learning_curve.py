"""How the AUC grows with the number of training subjects, and what twice as many would give."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hrcam.errors import InputError
from hrcam.evaluation.bootstrap import subject_indices
from hrcam.evaluation.estimate import Estimate, estimate_of
from hrcam.evaluation.prediction_arrays import PredictionArrays
from hrcam.evaluation.prediction_checks import checked_predictions
from hrcam.evaluation.prediction_metrics import ResampledMetrics

EXPONENTS = np.linspace(0.1, 1.5, 29)
"""Exponents of the power law that are tried; excess errors fall with exponents of 0.5 to 1."""

_POINTS = 25  # of the curve


@dataclass(frozen=True, eq=False)
class SizePredictions:
    """Predictions of the test scans by networks of one number of training subjects.

    Attributes
    ----------
    subjects
        Number of training subjects, the mean over the folds.
    predictions
        Of the same scans, folds and repeats for all sizes.
    """

    subjects: float
    predictions: PredictionArrays


@dataclass(frozen=True)
class CurvePoint:
    """An AUC, measured or fitted, at a number of training subjects.

    Attributes
    ----------
    subjects
        Number of training subjects.
    auc
        With its interval.
    """

    subjects: float
    auc: Estimate


@dataclass(frozen=True)
class LearningCurve:
    """A learning curve and its extrapolation.

    Attributes
    ----------
    measured
        The AUC of each number of training subjects.
    fitted
        The power law from the smallest number to twice the largest, in equal ratios.
    rise
        AUC of the largest number minus that of the smallest.
    twice
        Expected AUC with twice the largest number.
    gain
        ``twice`` minus the fitted AUC of the largest number.
    """

    measured: tuple[CurvePoint, ...]
    fitted: tuple[CurvePoint, ...]
    rise: Estimate
    twice: CurvePoint
    gain: Estimate

    @property
    def tells(self) -> bool:
        """Whether the AUC rises with the subjects; else nothing can be extrapolated."""
        return self.rise.low is not None and self.rise.low > 0


def learning_curve(
    sizes: Sequence[SizePredictions], *, resamples: int = 1000, seed: int = 0
) -> LearningCurve:
    """Fit an inverse power law to the AUC of several numbers of training subjects.

    The law is 1 − AUC = a + b n^(−c) with a and b of at least 0, by least squares (Mukherjee et
    al., J Comput Biol 10:119, 2003; Figueroa et al., BMC Med Inform Decis Mak 12:8, 2012). It is
    fitted anew in every resample. In a resample, subjects are drawn with replacement, because
    others might have been tested, and folds too, because others might have been trained on.

    Parameters
    ----------
    sizes
        At least three, with ascending numbers of subjects.
    resamples
        Number of resamples.
    seed
        Random seed.

    Returns
    -------
    LearningCurve

    Raises
    ------
    InputError
        If there are fewer than three sizes, they do not ascend or are not of the same scans, or the
        predictions are invalid.
    """
    numbers = np.array([size.subjects for size in sizes])
    if len(sizes) < 3 or (np.diff(numbers) <= 0).any() or numbers[0] <= 0:
        raise InputError(
            f"a learning curve needs three or more ascending numbers of subjects, not "
            f"{', '.join(f'{number:g}' for number in numbers)}"
        )
    first = sizes[0].predictions
    for size in sizes[1:]:
        same = (
            np.array_equal(getattr(size.predictions, name), getattr(first, name))
            for name in ("labels", "scans", "groups", "folds", "repeats")
        )
        if not all(same):
            raise InputError("the sizes of a learning curve are not of the same scans and folds")
    weights = _weights(first, resamples, seed)
    values = np.stack([_auc(size.predictions, weights) for size in sizes])
    ratios = np.geomspace(numbers[0], 2 * numbers[-1], _POINTS)
    at = np.array([*ratios, numbers[-1]])
    fitted = 1 - _power_law(numbers, 1 - values, at)
    gain = fitted[-2] - fitted[-1]
    return LearningCurve(
        measured=tuple(_point(*pair) for pair in zip(numbers, values, strict=True)),
        fitted=tuple(_point(*pair) for pair in zip(ratios, fitted[:-1], strict=True)),
        rise=estimate_of(values[-1] - values[0]),
        twice=_point(2 * numbers[-1], fitted[-2]),
        gain=estimate_of(gain),
    )


def _weights(
    found: PredictionArrays, resamples: int, seed: int
) -> list[tuple[NDArray[np.bool_], NDArray[np.float64]]]:
    """Return the rows of each repeat, and the weight of each subject in the sample and resamples.

    A subject counts as often as it is drawn, times as often as its fold of the repeat is drawn.
    """
    subjects = subject_indices(found.groups, found.labels.size)
    number = int(subjects.max()) + 1
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(number, np.full(number, 1 / number), size=resamples)
    of_repeats = []
    for repeat in np.unique(found.repeats):
        rows = found.repeats == repeat
        folds, fold = np.unique(found.folds[rows], return_inverse=True)
        of_subject = np.zeros(number, np.intp)
        of_subject[subjects[rows]] = fold
        times = rng.multinomial(len(folds), np.full(len(folds), 1 / len(folds)), size=resamples)
        weights = np.ones((1 + resamples, number))
        weights[1:] = drawn * times[:, of_subject]
        of_repeats.append((rows, weights))
    return of_repeats


def _auc(
    found: PredictionArrays, weights: Sequence[tuple[NDArray[np.bool_], NDArray[np.float64]]]
) -> NDArray[np.float64]:
    """Return the AUC in the sample and in each resample, the mean of the repeats."""
    true, predicted = checked_predictions(found.labels, found.probabilities)
    subjects = subject_indices(found.groups, true.size)
    values = [
        ResampledMetrics(true[rows], predicted[rows], subjects[rows], each).overall("auc")
        for rows, each in weights
    ]
    mean: NDArray[np.float64] = np.mean(values, axis=0)
    return mean


def _power_law(
    numbers: NDArray[np.float64], errors: NDArray[np.float64], at: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Fit a + b n^(−c) to each column of errors, shape (sizes, D), and evaluate it at numbers.

    For a given c this is a straight line in n^(−c) with a slope and an intercept of at least 0.
    """
    best = np.full(errors.shape[1], np.inf)
    values = np.full((at.size, errors.shape[1]), np.nan)
    mean = errors.mean(0)
    for exponent in EXPONENTS:
        powers = (numbers / numbers[0]) ** -exponent
        centred = powers - powers.mean()
        slope = np.maximum(centred @ errors / (centred @ centred), 0)
        intercept = mean - slope * powers.mean()
        through_zero = powers @ errors / (powers @ powers)
        slope = np.where(intercept < 0, through_zero, slope)
        intercept = np.maximum(intercept, 0)
        misfit = ((intercept + np.outer(powers, slope) - errors) ** 2).sum(0)
        # Of laws that fit equally well, the first: it expects most of further subjects.
        better = misfit < best - 1e-15
        best = np.where(better, misfit, best)
        law = intercept + np.outer((at / numbers[0]) ** -exponent, slope)
        values = np.where(better, law, values)
    return values


def _point(subjects: float, values: NDArray[np.float64]) -> CurvePoint:
    return CurvePoint(float(subjects), estimate_of(values))
