"""The three linear operators on a feature map: interpolate, pool, contract."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch

from hrcam.levels.geometry import FeatureGrid


def interpolation_matrix(
    size: int, grid: int, first: float | None = None, step: float | None = None
) -> npt.NDArray[np.float64]:
    """Return U along one axis: linear interpolation, with constant extrapolation.

    Parameters
    ----------
    size, grid
        Number of positions of the map, and of the image.
    first, step
        Centre of the map's first position and distance between positions, as in
        `hrcam.levels.geometry.FeatureGrid`. None for half-pixel centres
        (``align_corners=False``), which place each position in the middle of its share of the
        image.

    Returns
    -------
    Array of shape (grid, size); each row sums to 1.
    """
    if first is None or step is None:
        first, step = (grid / size - 1) / 2, grid / size
    position = np.clip((np.arange(grid) - first) / step, 0, size - 1)
    left = np.minimum(position.astype(np.int64), size - 1)
    right = np.minimum(left + 1, size - 1)
    fraction = position - left
    matrix = np.zeros((grid, size))
    np.add.at(matrix, (np.arange(grid), left), 1 - fraction)
    np.add.at(matrix, (np.arange(grid), right), fraction)
    return matrix


@lru_cache(maxsize=256)
def mean_weights(size: int, grid: int) -> npt.NDArray[np.float64]:
    """Return the weight of each position of one axis in the mean of its interpolation.

    The mean over the grid of U f is linear in f. Its weights are the column means of the
    interpolation matrix (its adjoint applied to a constant), and sum to 1. They are equal at
    integer ratios only; at others, the plain mean is off by up to 1e-3.

    Returns
    -------
    Array of shape (size,), read-only.
    """
    weights: npt.NDArray[np.float64] = interpolation_matrix(size, grid).mean(0)
    weights.flags.writeable = False
    return weights


def upsample(
    maps: torch.Tensor, grid: tuple[int, ...], feature_grid: FeatureGrid | None = None
) -> torch.Tensor:
    """Interpolate maps of shape (B, C, *S_l) to the grid of the image.

    Each axis is a small matrix product. Without a feature grid the result is that of PyTorch's
    ``interpolate`` with ``align_corners=False``, several times faster for the few channels left
    after the contraction.

    Parameters
    ----------
    maps
        Shape (B, C, *S_l).
    grid
        Spatial size of the image.
    feature_grid
        Where the positions of the maps are centred in the image; None for half-pixel centres.
    """
    return _interpolate(maps, grid, feature_grid, None)


def upsample_at(
    maps: torch.Tensor,
    grid: tuple[int, ...],
    rows: Sequence[torch.Tensor],
    feature_grid: FeatureGrid | None = None,
) -> torch.Tensor:
    """Return ``upsample(maps, grid)`` at some rows of each axis, without computing the rest.

    Parameters
    ----------
    maps, grid, feature_grid
        As for ``upsample``.
    rows
        Indices along each axis, on the maps' device. All their combinations are returned.

    Returns
    -------
    Tensor of shape (B, C, *numbers of rows).
    """
    return _interpolate(maps, grid, feature_grid, rows)


def _interpolate(
    maps: torch.Tensor,
    grid: tuple[int, ...],
    feature_grid: FeatureGrid | None,
    rows: Sequence[torch.Tensor] | None,
) -> torch.Tensor:
    # The caller's autocast is meant for the model, not for the maps.
    with torch.autocast(maps.device.type, enabled=False):
        # The last axis first, while the tensor is smallest; the first axis is one large product.
        for axis in range(len(grid) - 1, -1, -1):
            size = maps.shape[2 + axis]
            place = (
                () if feature_grid is None else (feature_grid.first[axis], feature_grid.step[axis])
            )
            some = None if rows is None else rows[axis]
            if size != grid[axis] or place not in ((), (0, 1)):
                matrix = _matrix_on(maps.device, maps.dtype, size, grid[axis], *place)
                maps = multiply_axis(maps, 2 + axis, matrix if some is None else matrix[some])
            elif some is not None:
                maps = maps.index_select(2 + axis, some)
    return maps


@lru_cache(maxsize=256)
def _matrix_on(
    device: torch.device, dtype: torch.dtype, size: int, grid: int, *place: float
) -> torch.Tensor:
    return constant_on(device, dtype, interpolation_matrix(size, grid, *place))


def constant_on(
    device: torch.device, dtype: torch.dtype, values: npt.NDArray[np.float64]
) -> torch.Tensor:
    """Copy values to a device, also in inference mode as a tensor that is usable outside of it.

    Callers cache the result, since a GPU waits for each copy.
    """
    with torch.inference_mode(False):
        return torch.tensor(values, dtype=dtype, device=device)


def multiply_axis(maps: torch.Tensor, axis: int, matrix: torch.Tensor) -> torch.Tensor:
    """Multiply one axis of a tensor by a matrix (rows, size)."""
    before, size, after = maps.shape[:axis], maps.shape[axis], maps.shape[axis + 1 :]
    if after:
        columns = maps.reshape(before.numel(), size, after.numel())
        product = torch.bmm(matrix.expand(before.numel(), -1, -1), columns)
    else:
        product = maps.reshape(before.numel(), size) @ matrix.T
    return product.reshape(*before, len(matrix), *after)


# Half-precision maps are converted this many channels at a time, to save memory.
_CHANNELS_AT_ONCE = 32


def pool(feature_map: torch.Tensor, grid: tuple[int, ...]) -> torch.Tensor:
    """Return g_l, the mean over the grid of U_l f_l, without computing U_l f_l.

    Parameters
    ----------
    feature_map
        f_l, shape (B, C_l, *S_l), any floating-point type.
    grid
        Spatial size of the image.

    Returns
    -------
    Tensor of shape (B, C_l), in at least single precision.
    """
    if torch.finfo(feature_map.dtype).bits < 32:
        parts = torch.split(feature_map, _CHANNELS_AT_ONCE, dim=1)
        return torch.cat([pool(part.float(), grid) for part in parts], dim=1)
    sizes = tuple(feature_map.shape[2:])
    axes = [mean_weights(size, whole) for size, whole in zip(sizes, grid, strict=True)]
    if all(np.ptp(weights) < 1e-12 for weights in axes):
        return feature_map.mean(dim=tuple(range(2, feature_map.ndim)))
    pooled = feature_map
    for weights in reversed(axes):
        pooled = pooled @ torch.tensor(weights, dtype=pooled.dtype, device=pooled.device)
    return pooled


def contract(
    feature_map: torch.Tensor, weights: torch.Tensor, offset: torch.Tensor
) -> torch.Tensor:
    """Return Σ_k weights_k f_k + offset: a 1×1 convolution, before any interpolation.

    Interpolation is linear and keeps constants, so upsampling the sums gives the same as summing
    the upsampled channels.

    Parameters
    ----------
    feature_map
        Shape (B, C_l, *S_l), any floating-point type.
    weights
        Shape (J, C_l), the same for all images, or (B, J, C_l).
    offset
        Shape (J,) or (B, J).

    Returns
    -------
    Tensor of shape (B, J, *S_l), in at least single precision.
    """
    images, channels, *size = feature_map.shape
    positions = feature_map.flatten(2)
    offset = offset[..., None]
    # A batched product: one matrix for all images would copy the feature map.
    weights = weights.expand(images, -1, -1)
    if torch.finfo(feature_map.dtype).bits >= 32:
        summed = torch.bmm(weights.to(positions.dtype), positions).add_(offset)
    else:
        summed = offset.expand(images, -1, positions.shape[-1]).float()
        for start in range(0, channels, _CHANNELS_AT_ONCE):
            some = slice(start, start + _CHANNELS_AT_ONCE)
            summed = summed + torch.bmm(weights[..., some], positions[:, some].float())
    return summed.reshape(images, -1, *size)
