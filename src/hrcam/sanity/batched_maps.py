"""Maps of many images, in batches that limit the memory of feature maps."""

import torch

from hrcam.evaluation.checked_inputs import Explain
from hrcam.explainer import HRCAM

_VOXELS_AT_ONCE = 2**19


def patterns_of(explainer: HRCAM, images: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Return the pattern maps of images (B, C, *spatial), shape (B, *spatial), on the CPU."""
    return in_batches(lambda *batch: explainer.explain(*batch).pattern, explainer, images, classes)


def patterns_as_read_of(
    explainer: HRCAM, images: torch.Tensor, classes: torch.Tensor
) -> torch.Tensor:
    """Return the pattern maps before they are refined along the edges of the images."""
    return in_batches(
        lambda *batch: explainer.explain(*batch).pattern_as_read, explainer, images, classes
    )


def in_batches(
    method: Explain, explainer: HRCAM, images: torch.Tensor, classes: torch.Tensor
) -> torch.Tensor:
    """Run a method on images (B, C, *spatial), in batches on the explainer's device.

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
    """Return the device of the explainer's network."""
    return next(explainer.model.parameters(), torch.empty(0)).device


def batch_size(images: torch.Tensor) -> int:
    """Return the batch size for images (B, C, *spatial), at least 2 for batch normalisation."""
    return max(2, _VOXELS_AT_ONCE // images[0, 0].numel())
