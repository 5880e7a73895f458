"""Digits enough for sums over many values."""

import torch


def at_least_single(tensor: torch.Tensor) -> torch.Tensor:
    """Return the tensor in single precision if it was in half, else as it is."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))
