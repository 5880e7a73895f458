"""Bootstrap intervals of a mean, from resampling subjects with replacement."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hrcam.errors import InputError


def bootstrap_interval(
    values: ArrayLike,
    groups: ArrayLike | None = None,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Compute the percentile interval of the mean over images.

    Parameters
    ----------
    values
        One score per image, finite, shape (N,).
    groups
        The subject of each image, shape (N,); subjects are resampled with all their images. None if
        every image is of another subject.
    resamples
        Number of resamples.
    level
        Coverage, between 0 and 1.
    seed
        Random seed; with the same seed, resamples of several methods are paired.

    Returns
    -------
    tuple of float
        Lower and upper end.

    Raises
    ------
    InputError
        If a value is not finite, there are fewer than two subjects, or an option is out of range.
    """
    scores = _checked_values(values)
    subjects = subject_indices(groups, scores.size)
    draws = draw_subjects(subjects, resamples, seed)
    means = (draws @ np.bincount(subjects, scores)) / (draws @ np.bincount(subjects))
    return percentiles(means, level)


def paired_ratio_interval(
    numerator: ArrayLike,
    denominator: ArrayLike,
    groups: ArrayLike | None = None,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Compute the percentile interval of mean(numerator) / mean(denominator) on the same images.

    The resamples are paired, so that differences between images cancel.

    Parameters
    ----------
    numerator, denominator
        Scores of two methods on the same images in the same order, finite, shape (N,).
    groups, resamples, level, seed
        As for `bootstrap_interval`.

    Returns
    -------
    tuple of float
        Lower and upper end; above 1 the first method is better.

    Raises
    ------
    InputError
        As for `bootstrap_interval`; also if the two differ in length, or the denominator's mean is
        not positive in every resample.
    """
    above, below = _checked_values(numerator), _checked_values(denominator)
    if above.size != below.size:
        raise InputError(f"Paired scores differ in length: {above.size} and {below.size}.")
    subjects = subject_indices(groups, above.size)
    draws = draw_subjects(subjects, resamples, seed)
    totals = draws @ np.bincount(subjects, below)
    if not (totals > 0).all():
        raise InputError(
            "The ratio has no interval: the denominator's mean is not positive in some resamples."
        )
    return percentiles((draws @ np.bincount(subjects, above)) / totals, level)


def _checked_values(values: ArrayLike) -> NDArray[np.float64]:
    scores = np.asarray(values, dtype=np.float64)
    if scores.ndim != 1:
        raise InputError(f"Scores have shape (images,), not {scores.shape}.")
    if bad := scores.size - np.count_nonzero(np.isfinite(scores)):
        raise InputError(f"{bad} of {scores.size} scores are NaN or infinite: leave them out.")
    return scores


def subject_indices(groups: ArrayLike | None, images: int) -> NDArray[np.intp]:
    """Assign a number from 0 to each subject, in sorted order.

    Parameters
    ----------
    groups
        The subject of each image, shape (images,). None if every image is of another subject.
    images
        Number of images.

    Returns
    -------
    numpy.ndarray
        Index of each image's subject, shape (images,).

    Raises
    ------
    InputError
        If there is not one group per image, or one is None or NaN.
    """
    labels = np.arange(images) if groups is None else np.asarray(groups)
    if labels.shape != (images,):
        raise InputError(f"Groups have shape {labels.shape}, the scores ({images},).")
    # As objects, because NaN would become the string "nan".
    raw = labels if groups is None else np.asarray(groups, dtype=object)
    if missing := sum(group is None or group != group for group in raw.tolist()):
        raise InputError(
            f"{missing} of {images} images have no group: give each the name of its subject."
        )
    return np.unique(labels, return_inverse=True)[1]


def draw_subjects(subjects: NDArray[np.intp], resamples: int, seed: int) -> NDArray[np.float64]:
    """Draw resamples of the subjects, with replacement.

    Parameters
    ----------
    subjects
        As `subject_indices` returns them, shape (images,).
    resamples
        Number of resamples.
    seed
        Random seed.

    Returns
    -------
    numpy.ndarray
        Count of each subject in each resample, shape (resamples, number of subjects).

    Raises
    ------
    InputError
        If there are fewer than two subjects, or ``resamples`` is less than 1.
    """
    number = int(subjects.max(initial=-1)) + 1
    if number < 2:
        raise InputError(f"An interval needs at least two subjects, there are {number}.")
    if resamples < 1:
        raise InputError(f"resamples must be at least 1, not {resamples}.")
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(number, np.full(number, 1 / number), size=resamples)
    # Floating point, because integer matrix products do not reach BLAS.
    return counts.astype(np.float64)


def sample_weights(subjects: NDArray[np.intp], resamples: int, seed: int) -> NDArray[np.float64]:
    """Return the weight of each subject in the sample, 1, and then in its resamples.

    Parameters
    ----------
    subjects, resamples, seed
        As for `draw_subjects`.

    Returns
    -------
    numpy.ndarray
        Shape (1 + resamples, number of subjects); of a single subject the sample alone.
    """
    sample = np.ones((1, int(subjects.max()) + 1))
    if sample.size < 2:
        return sample
    return np.concatenate([sample, draw_subjects(subjects, resamples, seed)])


def percentiles(statistics: NDArray[np.float64], level: float) -> tuple[float, float]:
    """Return the ends of the central interval of the statistics, shape (resamples,), at a level."""
    if not 0 < level < 1:
        raise InputError(f"level must lie between 0 and 1, not {level}.")
    low, high = np.quantile(statistics, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
