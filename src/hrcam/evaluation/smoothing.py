"""Gaussian blur of a batch, with a width that goes with the image."""

import torch
from scipy.ndimage import gaussian_filter

from hrcam.model.tensors import at_least_single


def blur(batch: torch.Tensor, share: float, spatial: int) -> torch.Tensor:
    """Blur the last axes of a batch; beyond its border an image goes on as at the border.

    Parameters
    ----------
    batch
        Shape (..., *spatial), of a floating-point type.
    share
        Standard deviation of the Gaussian along each axis, as a share of the axis's length.
    spatial
        How many of the last axes are blurred.

    Returns
    -------
    Tensor like ``batch``.
    """
    axes = tuple(range(batch.ndim - spatial, batch.ndim))
    widths = [share * batch.shape[axis] for axis in axes]
    values = at_least_single(batch.detach()).cpu().numpy()
    return torch.from_numpy(gaussian_filter(values, widths, axes=axes, mode="nearest")).to(batch)
