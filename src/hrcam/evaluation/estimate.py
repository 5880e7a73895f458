"""Estimates with intervals."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from hrcam.errors import InputError
from hrcam.evaluation.bootstrap import percentiles

LEVEL = 0.95
"""Coverage of the intervals."""

MOST_UNDEFINED = 0.1
"""Largest fraction of undefined resamples; classes of one or two subjects exceed it."""


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval.

    Attributes
    ----------
    value
        None if undefined, as the AUC without images of both classes.
    low, high
        Ends of the interval; both None if the value is undefined in more than a tenth of the
        resamples, or the same in all of them.
    undefined
        Number of resamples in which the value is undefined, excluded from the interval.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    undefined: int = 0

    def to_json(self) -> dict[str, float | None]:
        """Return value and interval; None (null) if undefined, or without an interval."""
        return {"value": self.value, "low": self.low, "high": self.high}


def bootstrap_estimate(value: float, resampled: NDArray[np.float64]) -> Estimate:
    """Combine a value with its percentile interval.

    Parameters
    ----------
    value
        Value of the sample; NaN if undefined.
    resampled
        Value of each resample, shape (resamples,); NaN if undefined.

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


def estimate_of(values: NDArray[np.float64]) -> Estimate:
    """Combine values of the sample, first, and of its resamples, shape (1 + resamples,).

    They are NaN where undefined.
    """
    return bootstrap_estimate(float(values[0]), values[1:])


def wilson_interval(successes: float, trials: float) -> tuple[float, float]:
    """Compute Wilson's 95 % interval of a proportion (JASA 22:209, 1927).

    Unlike that of the bootstrap, it has a width for proportions of 0 and 1.

    Parameters
    ----------
    successes, trials
        Numbers of successes and of independent trials, more than 0; fractions of trials if several
        predictions share one.

    Returns
    -------
    tuple of float
        Lower and upper end.

    Raises
    ------
    InputError
        If there is no trial, or the successes are not between 0 and the trials.
    """
    if trials <= 0 or not 0 <= successes <= trials:
        raise InputError(f"{successes} successes in {trials} trials are not a proportion.")
    z = NormalDist().inv_cdf((1 + LEVEL) / 2)
    share, weight = successes / trials, z**2 / trials
    centre = (share + weight / 2) / (1 + weight)
    half = z * math.sqrt(share * (1 - share) / trials + weight / (4 * trials)) / (1 + weight)
    # Avoid rounding errors at 0 and 1.
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == trials else centre + half
    return low, high


def two_decimals(value: float) -> str:
    """Format a score with two decimals, without a negative zero."""
    return f"{value:z.2f}"


def significant(value: float) -> str:
    """Format a number in any unit: three significant digits, or whole from 1000 on."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:#.3g}".rstrip(".")


def with_interval(
    value: float | None,
    low: float | None,
    high: float | None,
    form: Callable[[float], str] = two_decimals,
) -> str:
    """Format a score with its interval: "0.73 (0.71 to 0.75)".

    With "to", because a dash before a negative value is ambiguous.

    Parameters
    ----------
    value
        None if undefined: "n/a".
    low, high
        Ends of the interval; None to format the value alone.
    form
        Formats each number.
    """
    if value is None:
        return "n/a"
    if low is None or high is None:
        return form(value)
    return f"{form(value)} ({form(low)} to {form(high)})"
