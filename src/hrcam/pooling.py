"""The mean of the upsampled feature map, without upsampling it."""

import numpy as np
import torch

from hrcam.interpolation import mean_weights

# Half-precision maps are converted this many channels at a time, to keep memory flat.
_CHANNELS_AT_ONCE = 32


def pool(feature_map: torch.Tensor, grid: tuple[int, ...]) -> torch.Tensor:
    """Return g_l, the mean over the grid of U_l f_l, without forming U_l f_l.

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
