"""Sensitivity: how much the decision depends on each position, read from the feature maps.

Its readouts are learnt in ``sensitivity_fit``.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch

from hrcam.head.linear_models import Array

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


def largest_readout(readouts: torch.Tensor) -> torch.Tensor:
    """Return S of the L readouts, (B, L, *S), already summed over the levels: (B, *S), positive."""
    return readouts.amax(1).clamp_min(_LEAST)
