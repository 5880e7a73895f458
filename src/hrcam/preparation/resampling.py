"""Separable linear resampling along the axes of an image, with one matrix product per axis.

Not by MONAI's SpatialResample: it skips affines that differ by less than 1e-3, a tenth of a voxel
at the edge of a volume, and does not average when it downsamples.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def sampling_matrix(positions: NDArray[np.float64], size: int, step: float) -> NDArray[np.float64]:
    """Return the interpolation weights of the samples along one axis.

    Interpolation is linear between voxel centres and constant beyond the outermost ones. If samples
    are further apart than voxels, each is a mean over a width of √(step² − 1) voxels, which adds
    the variance of the voxels it represents to that of linear interpolation. Linear functions are
    reproduced at every step.

    Parameters
    ----------
    positions
        Positions to sample, in voxels, shape (samples,); 0 is the centre of the first voxel.
    size
        Number of voxels.
    step
        Distance between samples, in voxels, above 0.

    Returns
    -------
    Array of shape (samples, size); each row sums to 1.
    """
    width = math.sqrt(max(step**2 - 1, 0.0))
    # Virtual voxels beyond both ends, with the value of the outermost voxel.
    beyond = math.ceil(width / 2 + 1.5)
    within = np.clip(positions, -0.5, size - 0.5)
    distance = within[:, None] - np.arange(-beyond, size + beyond)
    if width:
        half = width / 2
        weights = (_hat_integral(distance + half) - _hat_integral(distance - half)) / width
    else:
        weights = np.maximum(1 - np.abs(distance), 0.0)
    weights[:, beyond] += weights[:, :beyond].sum(1)
    weights[:, -beyond - 1] += weights[:, -beyond:].sum(1)
    kept: NDArray[np.float64] = weights[:, beyond:-beyond]
    return kept


def _hat_integral(position: NDArray[np.float64]) -> NDArray[np.float64]:
    """Integrate the kernel of linear interpolation, max(1 − |x|, 0), up to a position."""
    inner = np.clip(position, -1, 1)
    integral: NDArray[np.float64] = 0.5 + inner - inner * np.abs(inner) / 2
    return integral


def resample(array: NDArray[Any], matrices: Sequence[NDArray[np.float64]]) -> NDArray[Any]:
    """Apply one matrix to each of the last axes of an array.

    Parameters
    ----------
    array
        Shape (..., *sizes), in single or double precision, which the computation keeps.
    matrices
        One matrix of shape (samples, size) for each of the last axes, in order.

    Returns
    -------
    Array of shape (..., *samples).
    """
    first = array.ndim - len(matrices)
    for axis, matrix in enumerate(matrices, start=first):
        before, after = array.shape[:axis], array.shape[axis + 1 :]
        columns = array.reshape(math.prod(before), array.shape[axis], math.prod(after))
        weights = matrix.astype(array.dtype)
        # For the last axis, one large product; numpy would loop over small ones.
        product = columns[..., 0] @ weights.T if not after else weights @ columns
        array = product.reshape(*before, len(matrix), *after)
    return array
