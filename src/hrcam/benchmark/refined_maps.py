"""Refine the maps of every method alike."""

from collections.abc import Mapping

import torch

from hrcam.benchmark.variant import Stage, Variant
from hrcam.maps.refine import refine

# Values of maps that are refined together: refinement needs some ten times their memory.
_AT_ONCE = 2**21


def refined_maps(
    maps: Mapping[Variant, torch.Tensor], images: torch.Tensor, *, positive: bool = True
) -> dict[Variant, torch.Tensor]:
    """Refine maps along the edges of their images, on the network's grid.

    Parameters
    ----------
    maps
        Maps as read, shape (B, *spatial) each.
    images
        Shape (B, C, *spatial), on the maps' device.
    positive
        Whether positive values speak for the class. Negative ones are then set to 0, so that what
        speaks for and against the class does not cancel where they touch.

    Returns
    -------
    The refined maps, under the variants at that stage.
    """
    variants = list(maps)
    together = max(1, _AT_ONCE // images[:, 0].numel())
    found: dict[Variant, torch.Tensor] = {}
    for start in range(0, len(variants), together):
        chosen = variants[start : start + together]
        stack = torch.stack([maps[variant].float() for variant in chosen], dim=1)
        smooth = refine(stack.clamp(min=0) if positive else stack, images)
        found |= {
            variant.at(Stage.REFINED): values
            for variant, values in zip(chosen, smooth.unbind(1), strict=True)
        }
    return found
