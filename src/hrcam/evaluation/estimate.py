"""A number with its interval, and when there is none."""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from hrcam.errors import InputError
from hrcam.evaluation.bootstrap import percentiles

LEVEL = 0.95
"""Coverage of the intervals."""

MOST_UNDEFINED = 0.1
"""Largest share of resamples without a value: a class of one or two subjects is above it."""


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval.

    Attributes
    ----------
    value
        None where it is not defined: there is no AUC without images of both classes.
    low, high
        Ends of the interval; both None where there is none: the value is not defined in more
        than a tenth of the resamples, or is the same in all of them, which says nothing about
        other subjects.
    undefined
        Number of resamples in which the value is not defined, left out of the interval.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    undefined: int = 0


def bootstrap_estimate(value: float, resampled: NDArray[np.float64]) -> Estimate:
    """Put a percentile interval around a value.

    Parameters
    ----------
    value
        Of the images as they are; NaN where it is not defined.
    resampled
        The same in each resample, shape (resamples,); NaN where it is not defined.

    Returns
    -------
    Estimate
    """
    defined = resampled[~np.isnan(resampled)]
    undefined = resampled.size - defined.size
    if math.isnan(value):
        return Estimate(None, undefined=undefined)
    # Sums of the same numbers in another order differ in the last digits.
    varies = defined.size > 0 and np.ptp(defined) > 1e-12
    if not varies or undefined > MOST_UNDEFINED * resampled.size:
        return Estimate(value, undefined=undefined)
    return Estimate(value, *percentiles(defined, LEVEL), undefined=undefined)


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """Compute Wilson's 95 % interval of a proportion (JASA 22:209, 1927).

    Unlike the bootstrap's it has a width where all trials succeeded, or none did.

    Parameters
    ----------
    successes, trials
        Of independent trials, at least one.

    Returns
    -------
    tuple of float
        Lower and upper end.

    Raises
    ------
    InputError
        If there is no trial, or the successes are not between 0 and the trials.
    """
    if trials < 1 or not 0 <= successes <= trials:
        raise InputError(f"{successes} successes in {trials} trials are not a proportion.")
    z = NormalDist().inv_cdf((1 + LEVEL) / 2)
    share, weight = successes / trials, z**2 / trials
    centre = (share + weight / 2) / (1 + weight)
    half = z * math.sqrt(share * (1 - share) / trials + weight / (4 * trials)) / (1 + weight)
    # At 0 and 1 an end is exact, but for rounding.
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == trials else centre + half
    return low, high


def with_interval(value: float | None, low: float | None, high: float | None) -> str:
    """Write a score with its interval: "0.73 (0.71 to 0.75)".

    With "to", because a dash in front of a negative end reads as a minus too many.

    Parameters
    ----------
    value
        None where it is not defined: "n/a".
    low, high
        Ends of the interval; None where there is none: the value stands alone.

    Returns
    -------
    str
        Two decimals.
    """
    if value is None:
        return "n/a"
    # z: no minus before a zero.
    if low is None or high is None:
        return f"{value:z.2f}"
    return f"{value:z.2f} ({low:z.2f} to {high:z.2f})"
