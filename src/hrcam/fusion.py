"""How the level maps become one pattern map: the one place for the fusion rule.

What it needs of the training images is in ``level_statistics``.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce

import numpy as np
import numpy.typing as npt
import torch

from hrcam.interpolation import upsample
from hrcam.level_statistics import FLAT

Array = npt.NDArray[np.float64]

# The image is followed over this part of the width of what usually lights up.
_REACH = 1 / 4


@dataclass(frozen=True)
class LevelFusion:
    """What makes one pattern map of a class's level maps.

    Attributes
    ----------
    mean
        ν, the mean at each position on images of other classes, (K, *S_l) for each level.
    spread
        s, the standard deviation about ν, shape (K, L).
    weights
        λ, shape (K, L); each class's sum to 1.
    extent
        Share of the image where the fused map of a class is usually above half its maximum,
        shape (K,).
    """

    mean: tuple[Array, ...]
    spread: Array
    weights: Array
    extent: Array

    def standardise(self, level: int, maps: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
        """Return z = (m − ν) / s of one level: how far each place is above other classes' images.

        Parameters
        ----------
        level
            Its index.
        maps
            Shape (B, *S_l).
        classes
            The class of each map, shape (B,).
        """
        chosen = classes.cpu().numpy()
        mean = torch.from_numpy(self.mean[level][chosen]).to(maps)
        spread = torch.from_numpy(np.maximum(self.spread[chosen, level], FLAT)).to(maps)
        mean = upsample(mean[:, None], tuple(maps.shape[1:]))[:, 0]
        return (maps - mean).div_(spread.reshape(-1, *[1] * (maps.ndim - 1)))

    def combine(
        self, maps: Iterable[torch.Tensor], classes: torch.Tensor, grid: tuple[int, ...]
    ) -> torch.Tensor:
        """Return P with sign(P) log(1 + |P|) = Σ_l λ_l U_l( sign(z_l) log(1 + |z_l|) ).

        Where all z are positive, 1 + P is the weighted geometric mean of the 1 + z_l: it is large
        where several levels agree, and no level's few extreme values outvote the others.

        Parameters
        ----------
        maps
            Each level's pattern map at its own resolution, shape (B, *S_l).
        classes
            The class of each image, shape (B,).
        grid
            Spatial size of the images.

        Returns
        -------
        Tensor of shape (B, *grid).
        """
        terms = (
            upsample(self._term(level, one, classes)[:, None], grid)
            for level, one in enumerate(maps)
        )
        total = reduce(torch.add, terms)[:, 0]
        return torch.abs(total).expm1_().copysign_(total)

    def _term(self, level: int, maps: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
        """Return λ_l sign(z_l) log(1 + |z_l|) of one level."""
        z = self.standardise(level, maps, classes)
        weight = torch.from_numpy(self.weights[classes.cpu().numpy(), level]).to(maps)
        signed = torch.abs(z).log1p_().copysign_(z)
        return signed.mul_(weight.reshape(-1, *[1] * (maps.ndim - 1)))

    def reach(self, classes: torch.Tensor, grid: tuple[int, ...]) -> list[int]:
        """Return over how many voxels the map of each class follows the image, for ``diffuse``."""
        extent = self.extent[classes.cpu().numpy()]
        width = (extent * float(np.prod(grid))) ** (1 / len(grid))
        return [int(size) for size in _REACH * width + 1e-6]  # roots are not exact


def level_weights(auc: Array, spread: Array) -> Array:
    """Weigh each level by how well it tells the class by itself: the square of 2 AUC − 1.

    The AUC is that of the level map's peak. A level that is flat does not count. Where no level
    tells the class, all count alike.

    Parameters
    ----------
    auc, spread
        Shape (K, L).

    Returns
    -------
    λ, shape (K, L); rows sum to 1.
    """
    merit = np.maximum(2 * auc - 1, 0) ** 2
    merit = np.where(merit.sum(1, keepdims=True) > 0, merit, 1.0)
    merit = np.where(spread > FLAT, merit, 0.0)
    total = merit.sum(1, keepdims=True)
    weights: Array = merit / np.where(total > 0, total, 1.0)
    return weights
