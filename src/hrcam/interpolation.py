"""U_l: linear interpolation of a level's map to the grid of the image, and its mean."""

from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

_MODES = {1: "linear", 2: "bilinear", 3: "trilinear"}


def upsample(maps: torch.Tensor, grid: tuple[int, ...]) -> torch.Tensor:
    """Interpolate maps of shape (B, C, *S_l) to the grid, with half-pixel centres.

    Half-pixel centres (``align_corners=False``) keep each coarse position over the middle of
    the pixels that it summarises, at any ratio of the sizes.
    """
    if tuple(maps.shape[2:]) == grid:
        return maps
    return functional.interpolate(maps, size=grid, mode=_MODES[len(grid)], align_corners=False)


@lru_cache(maxsize=256)
def mean_weights(size: int, grid: int) -> npt.NDArray[np.float64]:
    """Return what each position of one axis contributes to the mean of its interpolation.

    The mean over the grid of U f is linear in f: these are its weights, the column means of
    the interpolation matrix (its adjoint applied to a constant). They sum to 1. At integer
    ratios all are equal; at others they are not, and a plain mean would be off by up to 1e-3.

    Parameters
    ----------
    size, grid
        Number of positions of the map and of the grid.

    Returns
    -------
    Array of shape (size,).
    """
    position = np.maximum((np.arange(grid) + 0.5) * (size / grid) - 0.5, 0.0)
    left = np.minimum(position.astype(np.int64), size - 1)
    right = np.minimum(left + 1, size - 1)
    fraction = position - left
    weights = np.zeros(size)
    np.add.at(weights, left, 1 - fraction)
    np.add.at(weights, right, fraction)
    weights /= grid
    weights.flags.writeable = False
    return weights
