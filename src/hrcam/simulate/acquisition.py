"""Image acquisition: bias field, Rician noise and intensity scale."""

import numpy as np
from numpy.typing import NDArray

from hrcam.simulate.fields import smooth_field

BIAS_SPACING_MM = 80.0
"""Distance over which the bias field changes."""

BRAIN_MEAN = 0.5
"""Mean over the brain of every image, on a scale from 0 (black) to 1 (white)."""


def acquire(
    rng: np.random.Generator,
    signal: NDArray[np.floating],
    brain: NDArray[np.bool_],
    *,
    bias: float,
    noise: float,
    spacing: float,
) -> NDArray[np.float64]:
    """Turn a signal into a magnitude image with a smooth bias field and Rician noise.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of bias field and noise.
    signal : ndarray, shape (*spatial)
        Signal without bias field and noise.
    brain : ndarray, shape (*spatial), bool
        Where the brain is.
    bias : float
        Standard deviation of the logarithm of the multiplicative bias field.
    noise : float
        Standard deviation of the noise in each of the two channels, as a fraction of the mean
        signal of the brain.
    spacing : float
        Distance over which the bias field changes, in voxels.

    Returns
    -------
    ndarray, shape (*spatial)
        Magnitude, not negative.
    """
    sigma = noise * float(signal[brain].mean())
    received = signal * np.exp(bias * smooth_field(rng, signal.shape, spacing))
    real = received + sigma * rng.standard_normal(signal.shape)
    imaginary = sigma * rng.standard_normal(signal.shape)
    magnitude: NDArray[np.float64] = np.hypot(real, imaginary)
    return magnitude


def normalise(image: NDArray[np.floating], brain: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Scale an image so that the mean over its brain is 0.5, and clip it to 0..1.

    The mean includes lesions, so that the mean brightness of the brain does not reveal them.

    Parameters
    ----------
    image : ndarray, shape (*spatial)
        Magnitude image.
    brain : ndarray, shape (*spatial), bool
        Where the brain is.

    Returns
    -------
    ndarray, shape (*spatial), float32
        Between 0 and 1.
    """
    scaled = image * (BRAIN_MEAN / float(image[brain].mean()))
    out: NDArray[np.float32] = np.clip(scaled, 0.0, 1.0).astype(np.float32)
    return out
