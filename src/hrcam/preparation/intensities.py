"""Intensity normalisation: a common scale for all scanners and units."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hrcam.cohort.foreground import background_of
from hrcam.cohort.problems import ImageError, Reason


@dataclass(frozen=True)
class IntensityScale:
    """Parameters of the intensity normalisation of one channel.

    Attributes
    ----------
    low, high
        Limits to which values are clipped.
    mean, deviation
        Mean and standard deviation of the clipped foreground, which become 0 and 1.
    padding
        Value outside the image after scaling: the background, or 0 if there is none.
    """

    low: float
    high: float
    mean: float
    deviation: float
    padding: float


def intensity_scale(
    channel: NDArray[np.float32], percentiles: tuple[float, float]
) -> IntensityScale:
    """Estimate the intensity scale of one channel of one image from its foreground.

    Parameters
    ----------
    channel
        Shape (*spatial), finite.
    percentiles
        Intensities outside these percentiles are clipped.

    Raises
    ------
    ImageError
        If the channel is constant.
    """
    background = background_of(channel)
    everything = foreground = channel.ravel()
    if background is not None:
        foreground = foreground[np.abs(foreground - background[0]) > background[1]]
    # In a mask or an image of few dots, the foreground within the percentiles may be constant; then
    # all voxels are used.
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
        # Keep the background apart from the darkest tissue, but by no more than the tissue's range:
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
