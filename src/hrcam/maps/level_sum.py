"""Sum maps of several levels on the grid of the finest level."""

from collections.abc import Sequence

import torch

from hrcam.levels import Level
from hrcam.levels.geometry import FeatureGrid
from hrcam.levels.operators import upsample


def sum_levels(
    maps: Sequence[torch.Tensor], levels: Sequence[Level], grid: tuple[int, ...]
) -> torch.Tensor:
    """Interpolate from level to level, adding each to the sum of the coarser ones.

    So only the finest level, or what is made of the sum, is ever interpolated to the image.

    Parameters
    ----------
    maps
        Of each level, from the coarsest to the finest, shape (B, C, *S_l).
    levels
        Where they were read.
    grid
        Spatial size of the images.

    Returns
    -------
    Tensor of shape (B, C, *S_L), S_L the size of the finest level.
    """
    total, before = maps[0], levels[0]
    for level_maps, level in zip(maps[1:], levels[1:], strict=True):
        size = tuple(level_maps.shape[2:])
        source = _positions(before, total.shape[2:], grid)
        target = _positions(level, size, grid)
        total = upsample(total, size, source.relative_to(target)) + level_maps
        before = level
    return total


def _positions(level: Level, size: Sequence[int], grid: tuple[int, ...]) -> FeatureGrid:
    return level.feature_grid_on(size, grid) or FeatureGrid.half_pixel(size, grid)
