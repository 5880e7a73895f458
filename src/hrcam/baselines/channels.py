"""Sums over the channels of a feature map, in enough digits."""

import torch

from hrcam.levels.operators import contract


def weighted_sum(activations: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return Σ_k w_k A_k for each image.

    Parameters
    ----------
    activations
        A, shape (B, C_l, *S_l), any floating-point type.
    weights
        w, shape (B, C_l).

    Returns
    -------
    Tensor of shape (B, *S_l), in at least single precision.
    """
    # Half-precision contexts of the caller end here: the sum needs more digits.
    with torch.autocast(activations.device.type, enabled=False):
        return contract(activations, weights[:, None], weights.new_zeros(1))[:, 0]
