"""How far the level pattern maps deviate from those of reference images.

Its parameters are learnt in ``deviation_fit``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from hrcam.head.covariance import References
from hrcam.head.linear_models import Array

# A level map whose standard deviation is below this is constant.
FLAT = 1e-12


@dataclass(frozen=True)
class ReferenceMoments:
    """Mean and standard deviation of L level pattern maps of K classes, on reference images.

    They are taken over all positions of the images of the class that each class is compared with.

    Attributes
    ----------
    references
        The class that each class is compared with, shape (K,).
    mean, std
        Shape (K, L). A level whose map does not vary has the standard deviation 0.
    """

    references: References
    mean: Array
    std: Array

    @property
    def blank(self) -> npt.NDArray[np.bool_]:
        """Classes whose maps are 0 everywhere, shape (K,): no level map varied during ``fit``."""
        return np.logical_not((self.std > FLAT).any(1))

    @property
    def precision(self) -> Array:
        """1 / standard deviation, shape (K, L); 0 for a map that does not vary."""
        varies = self.std > FLAT
        return np.where(varies, 1 / np.where(varies, self.std, 1.0), 0.0)


def log_deviations(z: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """Return log(1 + |z_l|) / L and the same with the sign of z_l, (B, 2, *S_l) of each level.

    Summed over the levels, the first is d = log(1 + G). So 1 + G is the geometric mean of
    1 + |z_l|: it is large where several levels agree, and no single level's extreme values
    dominate. The sign of the sum of the second is the direction of the deviation.

    Parameters
    ----------
    z
        The standardised pattern map of each level, (m_l − mean) / std, shape (B, *S_l).
    """
    sizes = [level.abs().log1p_().div_(len(z)) for level in z]
    return [
        torch.stack([size, size.copysign(level)], 1) for size, level in zip(sizes, z, strict=True)
    ]


def root_deviation(log_deviation: torch.Tensor, direction: torch.Tensor) -> torch.Tensor:
    """Return √G = √(exp(d) − 1) with the sign of the direction.

    The root keeps the deviation, which is in standard deviations, from outweighing the
    sensitivity.

    Parameters
    ----------
    log_deviation, direction
        The sums over the levels of the two channels of ``log_deviations``, the same shape.
    """
    return log_deviation.expm1().sqrt_().copysign(direction)
