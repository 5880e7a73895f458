"""Classifiers and explanation methods as callables, and checks of images, maps and regions."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from hrcam.errors import InputError
from hrcam.model.inputs import check_images
from hrcam.model.tensors import at_least_single

Classifier = Callable[[torch.Tensor], Any]
"""From images (B, C, *spatial) to logits (B, K); an ``nn.Module`` or any other callable."""

Explain = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""From images (B, C, *spatial) and classes (B,) to maps (B, *spatial)."""


def check_batch(images: torch.Tensor, model: Classifier | None = None) -> None:
    """Raise InputError if images are invalid.

    Parameters
    ----------
    images
        Shape (B, C, *spatial).
    model
        The model for the images, if any.

    Raises
    ------
    InputError
        If they are not a tensor of this shape, are empty, not of a floating-point type, not finite,
        or not on the model's device.
    """
    if not isinstance(images, torch.Tensor):
        raise InputError(
            f"the images are a {type(images).__name__}: pass a tensor of shape (B, C, *spatial)"
        )
    check_images(images, model if isinstance(model, nn.Module) else nn.Identity())


def checked_maps(maps: Any, images: torch.Tensor) -> torch.Tensor:
    """Return maps in at least single precision, without gradients.

    Parameters
    ----------
    maps
        One map per image, shape (B, *spatial).
    images
        Shape (B, C, *spatial).

    Raises
    ------
    InputError
        If they are not a tensor of this shape, or have NaN or infinite values.
    """
    wanted = (images.shape[0], *images.shape[2:])
    if not isinstance(maps, torch.Tensor) or tuple(maps.shape) != wanted:
        shape = tuple(maps.shape) if isinstance(maps, torch.Tensor) else type(maps).__name__
        raise InputError(
            f"the maps are {shape}, and images of shape {tuple(images.shape)} have maps of shape "
            f"{wanted}: one number for each voxel, without a channel axis"
        )
    if maps.is_complex() or not bool(torch.isfinite(maps).all()):
        raise InputError(
            "the maps hold NaN, infinite or complex values: repair the method, or leave such "
            "images out"
        )
    return at_least_single(maps.detach())


def maps_of(explain: Explain, images: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Run a method and check its maps; raises InputError as `checked_maps`."""
    return checked_maps(explain(images, classes), images)


def checked_region(region: torch.Tensor | None, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return the region in which maps are compared, shape (B, *spatial).

    Parameters
    ----------
    region
        Bool, one for all images (*spatial) or one per image (B, *spatial). None for all voxels.
    shape
        Of the maps, (B, *spatial).

    Raises
    ------
    InputError
        If it is not bool, has another shape, or has fewer than two voxels of an image.
    """
    if region is None:
        return np.ones(shape, dtype=bool)
    if not isinstance(region, torch.Tensor) or region.dtype != torch.bool:
        kind = region.dtype if isinstance(region, torch.Tensor) else type(region).__name__
        raise InputError(
            f"a region is a tensor of bool, this one {kind}: pass for example brain > 0"
        )
    if tuple(region.shape) not in (shape, shape[1:]):
        raise InputError(
            f"the region has the shape {tuple(region.shape)}, the maps {shape}: give one for all "
            "images, or one for each, in the grid of the maps"
        )
    inside: NDArray[np.bool_] = np.broadcast_to(region.cpu().numpy(), shape)
    for index, voxels in enumerate(inside):
        if np.count_nonzero(voxels) < 2:
            raise InputError(
                f"image {index}: the region holds fewer than two voxels, nothing can be compared"
            )
    return inside
