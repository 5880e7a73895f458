"""Where the model's decision depends on the image, read from its feature maps."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Self

import numpy as np
import torch

from hrcam.interpolation import upsample
from hrcam.levels import Level
from hrcam.linear_models import Array

# Sums may fall below zero, where the size of a gradient does not.
_LEAST = 0.001


@dataclass(frozen=True)
class Sensitivity:
    """S(p) = Σ_l V_l( Σ_k v_lk f_lk )(p) + v_0: the size of the gradient, as features foretell it.

    1 is what the most sensitive place of a training image has, on the mean over images. It is
    learnt in ``sensitivity_fit``.

    Attributes
    ----------
    weights
        v of all levels side by side, shape (D,).
    offset
        v_0.
    """

    weights: Array
    offset: float

    @classmethod
    def everywhere(cls, features: int) -> Self:
        """Return that of a model of which nothing is known: 1 at all places."""
        return cls(np.zeros(features), 1.0)


def sensitivity_map(
    shares: Sequence[torch.Tensor], levels: Sequence[Level], grid: tuple[int, ...]
) -> torch.Tensor:
    """Add up the levels' shares of S where their positions lie in the image.

    Parameters
    ----------
    shares
        Σ_k v_lk f_lk, and of v_0 a part, at each level's own resolution, shape (B, *S_l).
    levels
        Where they were read.
    grid
        Spatial size of the images.

    Returns
    -------
    Tensor of shape (B, *grid), positive.
    """
    drawn = (
        upsample(share[:, None], grid, level.lattice_on(share.shape[1:], grid))
        for share, level in zip(shares, levels, strict=True)
    )
    return reduce(torch.add, drawn)[:, 0].clamp_min(_LEAST)
