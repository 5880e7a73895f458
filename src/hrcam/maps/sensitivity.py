"""Where the model's decision depends on the image, read from its feature maps."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Self

import numpy as np
import torch

from hrcam.head.linear_models import Array
from hrcam.levels import Level
from hrcam.levels.operators import upsample

# Sums may fall below zero, where the size of a gradient does not.
_LEAST = 0.001


@dataclass(frozen=True)
class Sensitivity:
    """S(p) = max_j ( Σ_l V_l( Σ_k v_jlk f_lk )(p) + v_j0 ): where any level's gradient is large.

    Each level j has a readout of all levels: the size of the gradient there, as features foretell
    it. S is 1 at the most sensitive place of a training image, on the mean over images. It is
    learnt in ``sensitivity_fit``.

    Attributes
    ----------
    weights
        v of all levels side by side, shape (L, D).
    offsets
        v_j0, shape (L,).
    """

    weights: Array
    offsets: Array

    @classmethod
    def everywhere(cls, levels: int, features: int) -> Self:
        """Return that of a model of which nothing is known: 1 at all places."""
        return cls(np.zeros((levels, features)), np.ones(levels))


def sensitivity_map(
    shares: Sequence[torch.Tensor], levels: Sequence[Level], grid: tuple[int, ...]
) -> torch.Tensor:
    """Add up the levels' shares of each readout in the image, and take the largest at each place.

    Parameters
    ----------
    shares
        Σ_k v_jlk f_lk, and of v_j0 a part, at each level's own resolution, shape (B, L, *S_l).
    levels
        Where they were read.
    grid
        Spatial size of the images.

    Returns
    -------
    Tensor of shape (B, *grid), positive.
    """
    lattices = [
        level.lattice_on(share.shape[2:], grid) for share, level in zip(shares, levels, strict=True)
    ]
    # One readout at a time: volumes are large.
    readouts = (
        reduce(
            torch.add,
            (
                upsample(share[:, readout, None], grid, lattice)
                for share, lattice in zip(shares, lattices, strict=True)
            ),
        )
        for readout in range(len(levels))
    )
    return reduce(torch.maximum, readouts)[:, 0].clamp_min(_LEAST)
