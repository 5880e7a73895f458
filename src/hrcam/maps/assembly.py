"""Assemble the evidence and pattern maps from the levels' contracted maps.

Level maps have shape (B, 2 + R, *S_l), with channels in the order of ``MapWeights``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

import torch

from hrcam.levels import Levels
from hrcam.levels.operators import upsample
from hrcam.maps.deviation import log_deviations, root_deviation
from hrcam.maps.level_sum import sum_levels
from hrcam.maps.refine import refine
from hrcam.maps.sensitivity import largest_readout
from hrcam.maps.weights import EVIDENCE, PATTERN, RESAMPLED


def evidence_map(levels: Sequence[torch.Tensor], grid: tuple[int, ...]) -> torch.Tensor:
    """Return the sum of the levels' evidence, (B, *spatial)."""
    shares = (upsample(level[:, EVIDENCE, None], grid) for level in levels)
    return reduce(torch.add, shares)[:, 0]


@dataclass(frozen=True)
class PatternMaps:
    """The pattern of B images, as read and refined, (B, *spatial) each.

    Attributes
    ----------
    as_read
        The root of the deviation times the sensitivity, √G S.
    refined
        Its size is the refined size of ``as_read``, so that what speaks for and against a class
        does not cancel where they touch; its sign is that of ``as_read``.
    std
        Standard deviation of ``as_read`` over the refits, refined likewise; None with fewer than
        two refits. It is an upper bound: the standard deviation of a mean is at most the mean of
        the standard deviations.
    """

    as_read: torch.Tensor
    refined: torch.Tensor
    std: torch.Tensor | None


def pattern_maps(
    maps: Sequence[torch.Tensor],
    readouts: Sequence[torch.Tensor],
    levels: Levels,
    images: torch.Tensor,
) -> PatternMaps:
    """Fuse the levels' patterns, weight them by the sensitivity, and refine the result.

    Parameters
    ----------
    maps
        Each level's maps, shape (B, 2 + R, *S_l).
    readouts
        Each level's share of the readouts of the sensitivity, (B, L, *S_l).
    levels
        Where they were read.
    images
        Shape (B, C, *spatial).
    """
    grid = tuple(images.shape[2:])
    terms = log_deviations([level[:, PATTERN] for level in maps])
    summed = sum_levels(
        [torch.cat(parts, 1) for parts in zip(terms, readouts, strict=True)], levels, grid
    )
    sensitivity = largest_readout(summed[:, 2:])
    at_positions = levels[-1].feature_grid_on(maps[-1].shape[2:], grid)

    def weighted(log_deviation: torch.Tensor, direction: torch.Tensor) -> torch.Tensor:
        pattern = root_deviation(log_deviation, direction) * sensitivity
        return upsample(pattern[:, None], grid, at_positions)[:, 0]

    as_read = weighted(summed[:, 0], summed[:, 1])
    refits = maps[0].shape[1] - RESAMPLED
    std = []
    if refits > 1:
        resampled = (
            log_deviations([level[:, channel] for level in maps])
            for channel in range(RESAMPLED, RESAMPLED + refits)
        )
        others = (weighted(*sum_levels(one, levels, grid).unbind(1)) for one in resampled)
        std.append(_std(others, as_read, refits))
    size, *refined_std = refine(torch.stack([as_read.abs(), *std], 1), images).unbind(1)
    return PatternMaps(as_read, size.copysign(as_read), refined_std[0] if refined_std else None)


def _std(refits: Iterator[torch.Tensor], mean: torch.Tensor, number: int) -> torch.Tensor:
    """Return the standard deviation of refits whose mean is near a given one."""
    total, squares = torch.zeros_like(mean), torch.zeros_like(mean)
    for refit in refits:
        # Differences from the full fit are small, so their squares keep their digits.
        difference = refit - mean
        total += difference
        squares += difference.square()
    variance = (squares - total.square() / number) / (number - 1)
    return torch.sqrt(variance.clamp_min(0))
