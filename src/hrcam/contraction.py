"""Weighted sums over the channels of a feature map, at its own resolution."""

import torch

_CHANNELS_AT_ONCE = 32


def contract(
    feature_map: torch.Tensor, weights: torch.Tensor, offset: torch.Tensor
) -> torch.Tensor:
    """Return Σ_k weights_k f_k + offset: a 1×1 convolution, before any interpolation.

    Interpolation is linear and keeps constants, so contracting first and upsampling the few
    sums gives what upsampling every channel would.

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
    # Batched, since a product with one matrix for all images would copy the feature map.
    weights = weights.expand(images, -1, -1)
    if torch.finfo(feature_map.dtype).bits >= 32:
        summed = torch.bmm(weights.to(positions.dtype), positions).add_(offset)
    else:
        summed = offset.expand(images, -1, positions.shape[-1]).float()
        for start in range(0, channels, _CHANNELS_AT_ONCE):
            some = slice(start, start + _CHANNELS_AT_ONCE)
            summed = summed + torch.bmm(weights[..., some], positions[:, some].float())
    return summed.reshape(images, -1, *size)
