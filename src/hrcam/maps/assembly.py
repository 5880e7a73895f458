"""From the levels' contracted maps to the maps at the size of the image.

Level maps have the shape (B, 2 + R, *S_l), their channels in the order of ``MapWeights``. Each is
upsampled when it is added, so that few maps at a time are at full size.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import torch

from hrcam.levels.operators import upsample
from hrcam.maps.fusion import LevelFusion
from hrcam.maps.refine import diffuse
from hrcam.maps.sensitivity import sensitivity_map
from hrcam.maps.weights import EVIDENCE, PATTERN, RESAMPLED

Grid = tuple[int, ...]


def evidence_map(levels: Sequence[torch.Tensor], grid: Grid) -> torch.Tensor:
    """Return the sum of the levels' evidence, (B, *spatial)."""
    shares = (upsample(level[:, EVIDENCE, None], grid) for level in levels)
    return reduce(torch.add, shares)[:, 0]


@dataclass(frozen=True)
class PatternMaps:
    """What becomes of the levels' patterns, (B, *spatial) each.

    Attributes
    ----------
    fused
        Of all levels, where the decision depends on the image: F S, before it is spread along it.
    pattern
        Spread along the image: in size the spread size of ``fused``, in sign the spread ``fused``.
        What speaks for a class and what speaks against it do not cancel where they touch.
    std
        Standard deviation of ``fused`` over the refits, spread likewise; None where there are
        fewer than two. Of a mean the standard deviation is at most the mean of the standard
        deviations, so this is an upper bound.
    """

    fused: torch.Tensor
    pattern: torch.Tensor
    std: torch.Tensor | None


def pattern_maps(
    levels: Sequence[torch.Tensor],
    readouts: Sequence[torch.Tensor],
    fusion: LevelFusion,
    classes: torch.Tensor,
    images: torch.Tensor,
) -> PatternMaps:
    """Fuse the levels' patterns of images (B, C, *spatial), and spread the result along them.

    ``readouts`` are each level's parts of the sensitivity, as for ``sensitivity_map``.
    """
    grid = tuple(images.shape[2:])
    sensitive = sensitivity_map(readouts, fusion.levels, grid)
    fused = fusion.combine((level[:, PATTERN] for level in levels), classes, grid)
    deviation = _deviation(levels, fusion, classes, fused)
    fused = fused * sensitive
    if deviation is not None:
        deviation = deviation * sensitive
    maps = [fused.abs(), fused, *([] if deviation is None else [deviation])]
    size, direction, *std = diffuse(
        torch.stack(maps, dim=1), images, fusion.reach(classes, grid)
    ).unbind(1)
    return PatternMaps(fused, size.copysign(direction), std[0] if std else None)


def _deviation(
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
        refit = fusion.combine([level[:, channel] for level in levels], classes, grid)
        # About the full fit's, so that squares are of small numbers.
        difference = refit - fused
        total += difference
        squares += difference.square()
    variance = (squares - total.square() / refits) / (refits - 1)
    return torch.sqrt(variance.clamp_min(0))
