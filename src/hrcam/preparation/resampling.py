"""Linear resampling along the axes of an image, each axis a small matrix product.

MONAI's SpatialResample leaves an image as it is where the affines differ by less than 1e-3, a
tenth of a voxel at the edge of a volume, and takes no mean where the grid is coarser.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def sampling_matrix(positions: NDArray[np.float64], size: int, step: float) -> NDArray[np.float64]:
    """Return the weights with which the voxels of one axis make up its samples.

    Samples are of the straight lines between voxel centres, level beyond the outermost centres.
    Where samples are further apart than voxels, each is a mean over a width of √(step² − 1)
    voxels: with that, the spread of a sample is what it is at equal steps, plus that of the
    voxels it stands for. Straight lines stay straight at every step.

    Parameters
    ----------
    positions
        Where to sample, in voxels, shape (samples,); 0 is the centre of the first voxel.
    size
        Number of voxels.
    step
        Distance between samples, in voxels, above 0.

    Returns
    -------
    Array of shape (samples, size); each row sums to 1.
    """
    width = math.sqrt(max(step**2 - 1, 0.0))
    # Voxels beyond both ends, which have the value of the outermost: what makes the ends level.
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
    """Integral up to a position of the hat of linear interpolation, max(1 − |x|, 0)."""
    inner = np.clip(position, -1, 1)
    integral: NDArray[np.float64] = 0.5 + inner - inner * np.abs(inner) / 2
    return integral


def resample(array: NDArray[Any], matrices: Sequence[NDArray[np.float64]]) -> NDArray[Any]:
    """Apply one matrix to each of the last axes of an array.

    Parameters
    ----------
    array
        Shape (..., *sizes), single or double precision, in which it is computed.
    matrices
        One of shape (samples, size) for each of the last axes, in their order.

    Returns
    -------
    Array of shape (..., *samples).
    """
    first = array.ndim - len(matrices)
    for axis, matrix in enumerate(matrices, start=first):
        before, after = array.shape[:axis], array.shape[axis + 1 :]
        columns = array.reshape(math.prod(before), array.shape[axis], math.prod(after))
        weights = matrix.astype(array.dtype)
        # One large product where there is nothing behind the axis; numpy loops over the others.
        product = columns[..., 0] @ weights.T if not after else weights @ columns
        array = product.reshape(*before, len(matrix), *after)
    return array
