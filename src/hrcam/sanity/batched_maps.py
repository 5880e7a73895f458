"""Maps of many images, a few at a time: feature maps take many times the memory of an image."""

import torch

from hrcam.evaluation.methods import Explain
from hrcam.explainer import HRCAM

_VOXELS_AT_ONCE = 2**19


def patterns_of(explainer: HRCAM, images: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Return the pattern maps of images (B, C, *spatial), shape (B, *spatial), on the CPU."""
    return in_batches(lambda *batch: explainer.explain(*batch).pattern, explainer, images, classes)


def fused_of(explainer: HRCAM, images: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Return the same before it is spread along the images."""
    return in_batches(
        lambda *batch: explainer.explain(*batch).pattern_as_read, explainer, images, classes
    )


def in_batches(
    method: Explain, explainer: HRCAM, images: torch.Tensor, classes: torch.Tensor
) -> torch.Tensor:
    """Run a method on images (B, C, *spatial) where the explainer's network is.

    Returns
    -------
    The maps, shape (B, *spatial), in single precision, on the CPU.
    """
    device, size = device_of(explainer), batch_size(images)
    return torch.cat(
        [
            method(batch.to(device), chosen).float().cpu()
            for batch, chosen in zip(
                torch.split(images, size), torch.split(classes, size), strict=True
            )
        ]
    )


def device_of(explainer: HRCAM) -> torch.device:
    """Return where the explainer's network is."""
    return next(explainer.model.parameters(), torch.empty(0)).device


def batch_size(images: torch.Tensor) -> int:
    """Return how many images (B, C, *spatial) are passed at once: two at least, as norms need."""
    return max(2, _VOXELS_AT_ONCE // images[0, 0].numel())
