"""From the levels' contracted maps to the maps at the size of the image.

Level maps have the shape (B, 2 + R, *S_l), their channels in the order of ``MapWeights``. Each is
upsampled when it is added, so that few maps at a time are at full size.
"""

from collections.abc import Sequence
from functools import reduce

import torch

from hrcam.fusion import LevelFusion
from hrcam.interpolation import upsample
from hrcam.map_weights import EVIDENCE, PATTERN, RESAMPLED

Grid = tuple[int, ...]


def evidence_map(levels: Sequence[torch.Tensor], grid: Grid) -> torch.Tensor:
    """Return the sum of the levels' evidence, (B, *spatial)."""
    shares = (upsample(level[:, EVIDENCE, None], grid) for level in levels)
    return reduce(torch.add, shares)[:, 0]


def pattern_map(
    levels: Sequence[torch.Tensor], fusion: LevelFusion, classes: torch.Tensor, grid: Grid
) -> torch.Tensor:
    """Return the levels' patterns, fused, (B, *spatial)."""
    return fusion.combine((level[:, PATTERN] for level in levels), classes, grid)


def pattern_spread(
    levels: Sequence[torch.Tensor],
    fusion: LevelFusion,
    classes: torch.Tensor,
    pattern: torch.Tensor,
) -> torch.Tensor | None:
    """Return the standard deviation of the pattern over the refits, (B, *spatial).

    None where there are fewer than two refits.
    """
    end = levels[0].shape[1]
    refits = end - RESAMPLED
    if refits < 2:
        return None
    grid = tuple(pattern.shape[1:])
    total, squares = torch.zeros_like(pattern), torch.zeros_like(pattern)
    for channel in range(RESAMPLED, end):
        refit = fusion.combine([level[:, channel] for level in levels], classes, grid)
        # About the full fit's pattern, so that squares are of small numbers.
        difference = refit - pattern
        total += difference
        squares += difference.square()
    variance = (squares - total.square() / refits) / (refits - 1)
    return torch.sqrt(variance.clamp_min(0))
