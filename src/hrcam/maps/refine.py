"""Refine maps by edge-aware smoothing: positions that look alike in the image are averaged.

A CNN responds to a lesion somewhere inside it; the border is in the image. So each value becomes a
weighted mean of the values around it, with more weight on positions of similar intensity. Nothing
is learnt here, no class is known, and the maps may come from any method.

The mean is a bilateral filter, computed at half the resolution on a grid of cells by intensities
(the bilateral grid of Chen, Paris and Durand, SIGGRAPH 2007). A guided filter (He, Sun and Tang,
ECCV 2010) takes the result back to the full resolution. The cost is linear in the number of voxels
and does not depend on the width of the cells.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch

from hrcam.errors import InputError
from hrcam.levels.operators import constant_on, multiply_axis, upsample

# Widths of the cells, as shares of the image's width (the geometric mean of its sides).
_WIDE, _NARROW = 1 / 16, 1 / 32
# Wide cells are for maps that exceed the middle of their range in a region wider than this share.
_REGION = 1 / 6
# Intensities at which the grid is kept, in standard deviations about the image's mean.
_INTENSITIES = tuple(np.linspace(-3, 3, 13))
# Blurs of the grid by (1, 2, 1) / 4 along each axis.
_BLURS = 2
# Of the guided filter, in variances of the image's intensity.
_REGULARISATION = 0.02
# As a share of a channel's root mean square: smaller standard deviations are rounding errors.
_CONSTANT = 1e-6
# Of a cell and intensity without a voxel.
_EMPTY = 1e-6


def refine(maps: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """Smooth maps within the edges of their images.

    No value exceeds the range of its map, and a constant map does not change. Maps that exceed
    the middle of their range in a wide region are smoothed further than others.

    Parameters
    ----------
    maps
        One map of each image, shape (B, *spatial), or J maps, (B, J, *spatial); of any method,
        signed or not.
    images
        Shape (B, C, *spatial); the scale and offset of a channel do not matter.

    Returns
    -------
    Tensor of the shape of ``maps``, in at least single precision.

    Raises
    ------
    InputError
        If the shapes of the maps and the images do not match.
    """
    single = maps.ndim == images.ndim - 1
    several = maps[:, None] if single else maps
    if several.shape[:1] + several.shape[2:] != images.shape[:1] + images.shape[2:]:
        raise InputError(
            f"the maps have the shape {tuple(maps.shape)} and the images {tuple(images.shape)}: "
            "pass maps (B, *spatial) or (B, J, *spatial) on the grid of the images (B, C, *spatial)"
        )
    # The caller's autocast is meant for the model, not for the maps.
    with torch.autocast(maps.device.type, enabled=False):
        if torch.finfo(several.dtype).bits < 32:
            several = several.float()
        refined = _refine(several, _intensity(images.to(several)))
    return refined[:, 0] if single else refined


def _refine(maps: torch.Tensor, intensity: torch.Tensor) -> torch.Tensor:
    grid = tuple(maps.shape[2:])
    half = tuple(-(-size // 2) for size in grid)
    low, guide = _averaged(maps, half), _averaged(intensity, half)
    bins = _bins(guide)
    wide = _bilateral(low, bins, _cells(grid, _WIDE))
    low = torch.where(_is_wide(low), wide, low)
    low = _bilateral(low, bins, _cells(grid, _NARROW))
    return _guided(low, guide, maps, intensity)


def _intensity(images: torch.Tensor) -> torch.Tensor:
    """Return the mean of the standardised channels, standardised and clipped, (B, 1, *spatial)."""
    values = images.flatten(2)
    scale, _ = _scale_and_mean(values)
    mean = torch.bmm(scale.transpose(1, 2), values)
    scale, centre = _scale_and_mean(mean)
    intensity = mean.mul_(scale).sub_(centre * scale)
    intensity = intensity.clamp_(_INTENSITIES[0], _INTENSITIES[-1])
    return intensity.reshape(len(images), 1, *images.shape[2:])


def _scale_and_mean(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return 1 / standard deviation, or 0 for a constant, and the mean, of the last axis."""
    std, mean = torch.std_mean(values, 2, correction=0, keepdim=True)
    # The root mean square: a constant's standard deviation is a rounding error of it.
    size = torch.hypot(std, mean)
    return torch.where(std > _CONSTANT * size, 1 / std, 0), mean


def _is_wide(maps: torch.Tensor) -> torch.Tensor:
    """Tell which maps exceed the middle of their range in a wide region, (B, J, 1, ...)."""
    size = maps.flatten(2).abs()
    least, largest = torch.aminmax(size, dim=2, keepdim=True)
    share = (size > (least + largest) / 2).to(maps).mean(2)
    axes = maps.ndim - 2
    return (share > _REGION**axes).reshape(*share.shape, *[1] * axes)


def _bins(guide: torch.Tensor) -> torch.Tensor:
    """Return each voxel's share in the intensities of the grid, (B, 1, I, *spatial).

    Linear interpolation between two intensities: the shares sum to 1.
    """
    at = _intensities_on(guide.device, guide.dtype).reshape(-1, *[1] * (guide.ndim - 2))
    step = _INTENSITIES[1] - _INTENSITIES[0]
    return (guide[:, :, None] - at).abs_().mul_(-1 / step).add_(1).clamp_min_(0)


def _bilateral(maps: torch.Tensor, bins: torch.Tensor, cells: tuple[int, ...]) -> torch.Tensor:
    """Average the maps over neighbouring cells and intensities, (B, J, *spatial)."""
    images, number, *size = maps.shape
    weighted = torch.cat([maps[:, :, None] * bins, bins], 1)
    grid = _averaged(weighted.flatten(1, 2), cells, _BLURS)
    grid = grid.reshape(images, number + 1, -1, *cells)
    blur = _matrix_on(grid.device, grid.dtype, grid.shape[2], grid.shape[2], _BLURS)
    grid = multiply_axis(grid, 2, blur)
    at_voxels = upsample(grid.flatten(1, 2), tuple(size)).view_as(weighted)
    sums = at_voxels.mul_(bins).sum(2)
    mean: torch.Tensor = sums[:, :-1] / sums[:, -1:].clamp_min(_EMPTY)
    return mean


def _guided(
    low: torch.Tensor, guide: torch.Tensor, maps: torch.Tensor, intensity: torch.Tensor
) -> torch.Tensor:
    """Take maps at half the resolution to that of the image, as a local linear function of it.

    The result stays within the range of ``maps``.
    """
    count = maps.shape[1]
    products = torch.cat([low, guide, low * guide, guide.square()], 1)
    products = _blurred(products)
    mean, of_guide = products[:, :count], products[:, count : count + 1]
    covariance = products[:, count + 1 : -1] - mean * of_guide
    slope = covariance / (products[:, -1:] - of_guide.square() + _REGULARISATION)
    lines = torch.cat([slope, mean - slope * of_guide], 1)
    lines = upsample(_blurred(lines), tuple(maps.shape[2:]))
    refined = torch.addcmul(lines[:, count:], lines[:, :count], intensity)
    values, shape = maps.flatten(2), (*maps.shape[:2], *[1] * (maps.ndim - 2))
    least, largest = torch.aminmax(values, dim=2)
    return refined.clamp_(least.reshape(shape), largest.reshape(shape))


def _blurred(maps: torch.Tensor) -> torch.Tensor:
    """Blur by (1, 2, 1) / 4 along each spatial axis, repeating the border."""
    for axis in range(2, maps.ndim):
        size = maps.shape[axis]
        first, last = maps.narrow(axis, 0, 1), maps.narrow(axis, size - 1, 1)
        padded = torch.cat([first, maps, last], axis)
        maps = padded.narrow(axis, 0, size).add(padded.narrow(axis, 2, size)).add_(maps, alpha=2)
        maps.mul_(0.25)
    return maps


def _cells(grid: tuple[int, ...], width: float) -> tuple[int, ...]:
    """Return the number of cells along each axis, of a width that is a share of the image's."""
    cell = width * float(np.prod(grid)) ** (1 / len(grid))
    return tuple(max(1, min(-(-size // 2), round(size / cell))) for size in grid)


def _averaged(maps: torch.Tensor, cells: Sequence[int], blurs: int = 0) -> torch.Tensor:
    """Average maps (B, C, *spatial) over cells of equal width, and blur, (B, C, *cells)."""
    for axis, number in enumerate(cells):
        size = maps.shape[2 + axis]
        if size != number or blurs:
            matrix = _matrix_on(maps.device, maps.dtype, size, number, blurs)
            maps = multiply_axis(maps, 2 + axis, matrix)
    return maps


@lru_cache(maxsize=256)
def _matrix_on(
    device: torch.device, dtype: torch.dtype, size: int, cells: int, blurs: int
) -> torch.Tensor:
    return constant_on(device, dtype, averaging_matrix(size, cells, blurs))


@lru_cache(maxsize=16)
def _intensities_on(device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    return constant_on(device, dtype, np.array(_INTENSITIES))


def averaging_matrix(size: int, cells: int, blurs: int) -> npt.NDArray[np.float64]:
    """Return the mean over cells of equal width along one axis, blurred by (1, 2, 1) / 4.

    A position counts in each cell by its overlap. At the ends the blur repeats the last cell.

    Returns
    -------
    Array of shape (cells, size); each row sums to 1.
    """
    edges = np.linspace(0, size, cells + 1)
    positions = np.arange(size)
    overlap = np.minimum(edges[1:, None], positions + 1) - np.maximum(edges[:-1, None], positions)
    mean = np.maximum(overlap, 0) / np.diff(edges)[:, None]
    inner = np.pad(np.eye(cells), ((1, 1), (0, 0)), mode="edge")
    blur = (inner[:-2] + 2 * inner[1:-1] + inner[2:]) / 4
    matrix: npt.NDArray[np.float64] = np.linalg.matrix_power(blur, blurs) @ mean
    return matrix
