"""Assemble the evidence and pattern maps from the levels' contracted maps.

Level maps have shape (B, 2 + R, *S_l), with channels in the order of ``MapWeights``. Each is
upsampled only when it is added, so that few maps are at full size at a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import torch

from hrcam.levels.operators import upsample
from hrcam.maps.fusion import LevelFusion
from hrcam.maps.refine import refine
from hrcam.maps.sensitivity import sensitivity_map
from hrcam.maps.weights import EVIDENCE, PATTERN, RESAMPLED

Grid = tuple[int, ...]


def evidence_map(levels: Sequence[torch.Tensor], grid: Grid) -> torch.Tensor:
    """Return the sum of the levels' evidence, (B, *spatial)."""
    shares = (upsample(level[:, EVIDENCE, None], grid) for level in levels)
    return reduce(torch.add, shares)[:, 0]


@dataclass(frozen=True)
class PatternMaps:
    """The pattern of B images, as read and refined, (B, *spatial) each.

    Attributes
    ----------
    as_read
        The fused level maps times the sensitivity, F S.
    refined
        Its size is the refined size of ``as_read`` and its sign that of the refined ``as_read``,
        so that what speaks for and against a class does not cancel where they touch.
    std
        Standard deviation of ``as_read`` over the refits, refined likewise; None with fewer than
        two refits. It is an upper bound: the standard deviation of a mean is at most the mean of
        the standard deviations.
    """

    as_read: torch.Tensor
    refined: torch.Tensor
    std: torch.Tensor | None


def pattern_maps(
    levels: Sequence[torch.Tensor],
    readouts: Sequence[torch.Tensor],
    fusion: LevelFusion,
    classes: torch.Tensor,
    images: torch.Tensor,
) -> PatternMaps:
    """Fuse the levels' patterns, weight them by the sensitivity, and refine the result.

    Parameters
    ----------
    levels
        Each level's maps, shape (B, 2 + R, *S_l).
    readouts
        Each level's part of the sensitivity, as for ``sensitivity_map``.
    fusion
        The fusion of the levels.
    classes
        The class of each image, shape (B,).
    images
        Shape (B, C, *spatial).
    """
    grid = tuple(images.shape[2:])
    sensitivity = sensitivity_map(readouts, fusion.levels, grid)
    fused = fusion.fuse((level[:, PATTERN] for level in levels), classes, grid)
    std = _std_over_refits(levels, fusion, classes, fused)
    as_read = fused * sensitivity
    if std is not None:
        std = std * sensitivity
    maps = [as_read.abs(), as_read, *([] if std is None else [std])]
    size, direction, *refined_std = refine(
        torch.stack(maps, dim=1), images, fusion.reach(classes, grid)
    ).unbind(1)
    return PatternMaps(as_read, size.copysign(direction), refined_std[0] if refined_std else None)


def _std_over_refits(
    levels: Sequence[torch.Tensor],
    fusion: LevelFusion,
    classes: torch.Tensor,
    fused: torch.Tensor,
) -> torch.Tensor | None:
    end = levels[0].shape[1]
    refits = end - RESAMPLED
    if refits < 2:
        return None
    grid = tuple(fused.shape[1:])
    total, squares = torch.zeros_like(fused), torch.zeros_like(fused)
    for channel in range(RESAMPLED, end):
        refit = fusion.fuse([level[:, channel] for level in levels], classes, grid)
        # Differences from the full fit are small, so their squares keep their digits.
        difference = refit - fused
        total += difference
        squares += difference.square()
    variance = (squares - total.square() / refits) / (refits - 1)
    return torch.sqrt(variance.clamp_min(0))
