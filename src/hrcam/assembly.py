"""From the levels' contracted maps to the maps at the size of the image.

Level maps have the shape (B, 2 + R, *S_l), their channels in the order of ``MapWeights``. They
are upsampled as they are used, so that one map of a batch at a time is at full size.
"""

from collections.abc import Iterator, Sequence
from functools import reduce

import torch

from hrcam.fusion import LevelFusion
from hrcam.interpolation import upsample
from hrcam.map_weights import EVIDENCE, PATTERN, RESAMPLED

Grid = tuple[int, ...]


def evidence_map(levels: Sequence[torch.Tensor], grid: Grid) -> torch.Tensor:
    """Return the sum of the levels' evidence, (B, *spatial)."""
    return reduce(torch.add, _upsampled(levels, EVIDENCE, grid))


def pattern_map(
    levels: Sequence[torch.Tensor], fusion: LevelFusion, classes: torch.Tensor, grid: Grid
) -> torch.Tensor:
    """Return the levels' patterns, fused, (B, *spatial)."""
    return fusion.combine(_upsampled(levels, PATTERN, grid), classes)


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
        # About the full fit's pattern, so that squares are of small numbers.
        difference = fusion.combine(_upsampled(levels, channel, grid), classes) - pattern
        total += difference
        squares += difference.square()
    variance = (squares - total.square() / refits) / (refits - 1)
    return torch.sqrt(variance.clamp_min(0))


def _upsampled(levels: Sequence[torch.Tensor], channel: int, grid: Grid) -> Iterator[torch.Tensor]:
    return (upsample(level[:, channel, None], grid)[:, 0] for level in levels)
