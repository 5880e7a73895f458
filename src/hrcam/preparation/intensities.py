"""Intensities on one scale, whatever units a scanner wrote them in."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hrcam.cohort.foreground import background_of
from hrcam.cohort.problems import ImageError, Reason


@dataclass(frozen=True)
class IntensityScale:
    """How one channel's intensities become those that the network sees.

    Attributes
    ----------
    low, high
        Values are clipped to these.
    mean, deviation
        Of the clipped foreground: it gets the mean 0 and the standard deviation 1.
    padding
        What lies outside the image, after scaling: the background, or 0 where there is none.
    """

    low: float
    high: float
    mean: float
    deviation: float
    padding: float


def intensity_scale(
    channel: NDArray[np.float32], percentiles: tuple[float, float]
) -> IntensityScale:
    """Find the scale of one channel of one image, from its foreground.

    Parameters
    ----------
    channel
        Shape (*spatial), finite.
    percentiles
        Between which intensities are kept; what is outside is clipped.

    Raises
    ------
    ImageError
        If the channel is constant.
    """
    background = background_of(channel)
    everything = foreground = channel.ravel()
    if background is not None:
        foreground = foreground[np.abs(foreground - background[0]) > background[1]]
    # A mask, or dots on a plain ground: too little varies within the foreground, or within the
    # percentiles, so everything counts.
    for values, limits in ((foreground, percentiles), (everything, (0.0, 100.0))):
        if not len(values):
            continue
        low, high = (float(limit) for limit in np.percentile(values, limits))
        clipped = np.clip(values, low, high)
        mean, deviation = float(clipped.mean(dtype=float)), float(clipped.std(dtype=float))
        if deviation <= 1e-6 * abs(mean):
            continue
        if background is None:
            return IntensityScale(low, high, mean, deviation, padding=0.0)
        # The background stays apart from the darkest tissue, but no further than tissue spans:
        # some scanners mark it with -32768.
        span = high - low
        level = min(max(background[0], low - span), high + span)
        padding = (level - mean) / deviation
        return IntensityScale(min(low, level), max(high, level), mean, deviation, padding)
    raise ImageError(
        Reason.CONSTANT,
        f"all {channel.size} voxels of a channel have the value {float(channel.flat[0]):g}",
        "export the image again, or leave the scan out",
    )
