"""Fuse the maps of several levels: mean, maximum or product of the normalised maps.

LayerCAM (Jiang et al., IEEE TIP 2021) takes the maximum of the levels' normalised maps, and
RefineCAM their product.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import torch

from hrcam.errors import InputError

Fusion = Literal["mean", "max", "product"]

_FUSIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "mean": lambda maps: maps.mean(0),
    "max": lambda maps: maps.amax(0),
    "product": lambda maps: maps.prod(0),
}


def normalise(maps: torch.Tensor) -> torch.Tensor:
    """Scale each image's map to [0, 1] by its own minimum and maximum.

    A constant map becomes zero everywhere.

    Parameters
    ----------
    maps
        Shape (B, *spatial).

    Returns
    -------
    Tensor of the same shape.
    """
    positions = maps.flatten(1)
    low = positions.amin(1, keepdim=True)
    span = positions.amax(1, keepdim=True) - low
    scaled = (positions - low) / torch.where(span > 0, span, torch.ones_like(span))
    return scaled.view_as(maps)


def check_fusion(fusion: str) -> None:
    """Check that a fusion exists.

    Raises
    ------
    InputError
        If it is none of ``"mean"``, ``"max"`` and ``"product"``.
    """
    if fusion not in _FUSIONS:
        raise InputError(f"fuse is {fusion!r}: it must be 'mean', 'max' or 'product'")


def fuse_levels(maps: Sequence[torch.Tensor], fusion: Fusion) -> torch.Tensor:
    """Normalise each level's map per image, and fuse the levels.

    Parameters
    ----------
    maps
        One tensor per level, all of shape (B, *spatial).
    fusion
        ``"mean"``, ``"max"`` or ``"product"`` over the levels.

    Returns
    -------
    Tensor of shape (B, *spatial), in [0, 1].

    Raises
    ------
    InputError
        If there is no such fusion, or no map.
    """
    check_fusion(fusion)
    if not maps:
        raise InputError("there are no maps to fuse: give one per level")
    return _FUSIONS[fusion](torch.stack([normalise(level) for level in maps]))
