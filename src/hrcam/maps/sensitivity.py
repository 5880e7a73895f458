"""Sensitivity: how much the decision depends on each position, read from the feature maps.

Its readouts are learnt in ``sensitivity_fit``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Self

import numpy as np
import torch

from hrcam.head.linear_models import Array
from hrcam.levels import Level
from hrcam.levels.operators import upsample

# The size of a gradient is not negative; a linear readout of it may be.
_LEAST = 0.001


@dataclass(frozen=True)
class Sensitivity:
    """S(p) = max_j ( Σ_l V_l( Σ_k v_jlk f_lk )(p) + v_j0 ), the largest predicted gradient size.

    For each level j, a linear readout of all levels predicts the size of the gradient there. The
    maximum of S over an image is 1 on the mean over the training images.

    Attributes
    ----------
    weights
        v over the features of all levels, shape (L, D).
    offsets
        v_j0, shape (L,).
    """

    weights: Array
    offsets: Array

    @classmethod
    def uniform(cls, levels: int, features: int) -> Self:
        """Return a sensitivity of 1 at all positions, for a model without gradients."""
        return cls(np.zeros((levels, features)), np.ones(levels))


def sensitivity_map(
    shares: Sequence[torch.Tensor], levels: Sequence[Level], grid: tuple[int, ...]
) -> torch.Tensor:
    """Sum each readout over the levels, and take the largest at each position.

    Parameters
    ----------
    shares
        Σ_k v_jlk f_lk plus the level's share of v_j0, at its own resolution, (B, L, *S_l).
    levels
        Where the features were read.
    grid
        Spatial size of the images.

    Returns
    -------
    Tensor of shape (B, *grid), positive.
    """
    feature_grids = [
        level.feature_grid_on(share.shape[2:], grid)
        for share, level in zip(shares, levels, strict=True)
    ]
    # One readout at a time, to save memory on volumes.
    readouts = (
        reduce(
            torch.add,
            (
                upsample(share[:, readout, None], grid, feature_grid)
                for share, feature_grid in zip(shares, feature_grids, strict=True)
            ),
        )
        for readout in range(len(levels))
    )
    return reduce(torch.maximum, readouts)[:, 0].clamp_min(_LEAST)
