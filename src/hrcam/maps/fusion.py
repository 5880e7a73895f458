"""How the level maps become one pattern map: the one place for the fusion rule.

What it needs of the training images is learnt in ``comparison``.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce

import numpy as np
import numpy.typing as npt
import torch

from hrcam.head.covariance import References
from hrcam.head.linear_models import Array
from hrcam.levels import Levels
from hrcam.levels.operators import upsample
from hrcam.maps.moments import FLAT

# The image is followed over this part of the width of what usually lights up.
_REACH = 1 / 4

VIEWS = ("place", "anywhere")
"""What a place is compared with, in images of the reference: the same place, or all places."""


@dataclass(frozen=True)
class LevelFusion:
    """What makes one pattern map of a class's level maps.

    Attributes
    ----------
    levels
        Where the maps are read.
    references
        The class that each is compared with, shape (K,).
    mean
        ν, the mean at each position on images of the reference, (K, *S_l) for each level.
    spread
        s, the standard deviation about ν and about its mean over all positions, shape (K, L, 2).
    views
        Which of `VIEWS` count, bool, shape (K, 2); one of them at least.
    extent
        Share of the image where the fused map of a class is usually above half its maximum,
        shape (K,).
    """

    levels: Levels
    references: References
    mean: tuple[Array, ...]
    spread: Array
    views: npt.NDArray[np.bool_]
    extent: Array

    def standardise(self, level: int, maps: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
        """Return z = (m − ν) / s of one level, by both views: (B, 2, *S_l).

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
        z = maps[:, None].repeat(1, len(VIEWS), *[1] * (maps.ndim - 1))
        z[:, 0] -= upsample(mean[:, None], tuple(maps.shape[1:]))[:, 0]
        z[:, 1] -= mean.flatten(1).mean(1).reshape(-1, *[1] * (maps.ndim - 1))
        return z.div_(spread.reshape(-1, len(VIEWS), *[1] * (maps.ndim - 1)))

    def surprise(
        self, maps: Iterable[torch.Tensor], classes: torch.Tensor, grid: tuple[int, ...]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the mean over the levels of U_l log(1 + |z_l|), by both views, and its sign.

        Levels that are flat do not count.

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
        surprise
            By each of `VIEWS`, shape (B, 2, *grid).
        direction
            The same with the signs of z, summed over the views that count, shape (B, *grid).
        """
        terms = (self._drawn(level, one, classes, grid) for level, one in enumerate(maps))
        total = reduce(torch.Tensor.add_, terms)
        return total[:, : len(VIEWS)], total[:, len(VIEWS)]

    def combine(
        self, maps: Iterable[torch.Tensor], classes: torch.Tensor, grid: tuple[int, ...]
    ) -> torch.Tensor:
        """Return F: |F| = exp(surprise) − 1, by the view that finds the place less surprising.

        By one view, 1 + |F| is the geometric mean of the 1 + |z_l|: large where several levels
        agree, while no level's few extreme values outvote the others. The sign is that of the
        direction: towards the class, or towards its reference.

        Parameters
        ----------
        maps, classes, grid
            As for `surprise`.

        Returns
        -------
        Tensor of shape (B, *grid).
        """
        surprise, direction = self.surprise(maps, classes, grid)
        counts = torch.from_numpy(self.views[classes.cpu().numpy()]).to(surprise.device)
        counts = counts.reshape(*counts.shape, *[1] * len(grid))
        least = surprise.masked_fill(~counts, torch.inf).amin(1)
        return least.expm1_().copysign_(direction)

    def _drawn(
        self, level: int, maps: torch.Tensor, classes: torch.Tensor, grid: tuple[int, ...]
    ) -> torch.Tensor:
        lattice = self.levels[level].lattice_on(maps.shape[1:], grid)
        return upsample(self._terms(level, maps, classes), grid, lattice)

    def _terms(self, level: int, maps: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
        chosen = classes.cpu().numpy()
        varies = self.spread[chosen].min(2) > FLAT
        share = varies[:, level] / np.maximum(varies.sum(1), 1)
        z = self.standardise(level, maps, classes)
        counts = torch.from_numpy(self.views[chosen]).to(z)
        terms = z.new_zeros(len(z), len(VIEWS) + 1, *maps.shape[1:])
        column = (-1, *[1] * (maps.ndim - 1))
        # One view at a time: volumes are large.
        for view in range(len(VIEWS)):
            size = torch.abs(z[:, view], out=terms[:, view]).log1p_()
            terms[:, -1].addcmul_(size.copysign(z[:, view]), counts[:, view].reshape(column))
        return terms.mul_(torch.from_numpy(share).to(z).reshape(-1, *[1] * maps.ndim))

    def reach(self, classes: torch.Tensor, grid: tuple[int, ...]) -> list[int]:
        """Return over how many voxels the map of each class follows the image, for ``diffuse``."""
        extent = self.extent[classes.cpu().numpy()]
        width = (extent * float(np.prod(grid))) ** (1 / len(grid))
        return [int(size) for size in _REACH * width + 1e-6]  # roots are not exact
