"""Fuse the level pattern maps of a class into one map: the fusion rule.

Its parameters are learnt in ``fusion_fit``.
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

# Reach of the refinement, as a share of the usual width of a region above half the maximum.
_REACH = 1 / 4

BASELINES = ("local", "global")
"""What a position is compared with on images of the reference: that position, or all positions."""


@dataclass(frozen=True)
class LevelFusion:
    """Parameters of the fusion of L level maps of each of K classes.

    Attributes
    ----------
    levels
        Where the maps are read.
    references
        The class that each class is compared with, shape (K,).
    mean
        ν, the mean at each position on images of the reference, (K, *S_l) for each level.
    std
        s, the standard deviation about ν and about its mean over all positions, shape (K, L, 2).
    used_baselines
        Which of `BASELINES` each class uses, bool, shape (K, 2); at least one of them.
    extent
        Share of the image in which the fused map of a class usually exceeds half its maximum,
        shape (K,).
    """

    levels: Levels
    references: References
    mean: tuple[Array, ...]
    std: Array
    used_baselines: npt.NDArray[np.bool_]
    extent: Array

    @property
    def blank(self) -> npt.NDArray[np.bool_]:
        """Classes whose maps are 0 everywhere, shape (K,): no level map varied during ``fit``."""
        return np.logical_not(self._varies.any(1))

    @property
    def _varies(self) -> npt.NDArray[np.bool_]:
        varies: npt.NDArray[np.bool_] = self.std.min(2) > FLAT
        return varies

    def standardise(self, level: int, maps: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
        """Return z = (m − ν) / s of one level by each of `BASELINES`, (B, 2, *S_l).

        Parameters
        ----------
        level
            Index of the level.
        maps
            Shape (B, *S_l).
        classes
            The class of each map, shape (B,).
        """
        chosen = classes.cpu().numpy()
        mean = torch.from_numpy(self.mean[level][chosen]).to(maps)
        std = torch.from_numpy(np.maximum(self.std[chosen, level], FLAT)).to(maps)
        z = maps[:, None].repeat(1, len(BASELINES), *[1] * (maps.ndim - 1))
        z[:, 0] -= upsample(mean[:, None], tuple(maps.shape[1:]))[:, 0]
        z[:, 1] -= mean.flatten(1).mean(1).reshape(-1, *[1] * (maps.ndim - 1))
        return z.div_(std.reshape(-1, len(BASELINES), *[1] * (maps.ndim - 1)))

    def log_deviation(
        self, maps: Iterable[torch.Tensor], classes: torch.Tensor, grid: tuple[int, ...]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the mean over the levels of U_l log(1 + |z_l|), and its signed version.

        Flat levels are left out of the mean.

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
        log_deviation
            By each of `BASELINES`, shape (B, 2, *grid).
        direction
            The same terms with the signs of z, summed over the used baselines, (B, *grid).
        """
        terms = (self._upsampled_terms(level, one, classes, grid) for level, one in enumerate(maps))
        total = reduce(torch.Tensor.add_, terms)
        return total[:, : len(BASELINES)], total[:, len(BASELINES)]

    def fuse(
        self, maps: Iterable[torch.Tensor], classes: torch.Tensor, grid: tuple[int, ...]
    ) -> torch.Tensor:
        """Return F, where |F| = exp(d) − 1 and d is the smallest log deviation by a used baseline.

        By one baseline, 1 + |F| is the geometric mean of 1 + |z_l|: it is large where several
        levels agree, and no single level's extreme values dominate. The sign is that of the
        direction: positive for the class, negative for its reference.

        Parameters
        ----------
        maps, classes, grid
            As for `log_deviation`.

        Returns
        -------
        Tensor of shape (B, *grid).
        """
        log_deviation, direction = self.log_deviation(maps, classes, grid)
        used = torch.from_numpy(self.used_baselines[classes.cpu().numpy()]).to(log_deviation.device)
        used = used.reshape(*used.shape, *[1] * len(grid))
        least = log_deviation.masked_fill(~used, torch.inf).amin(1)
        return least.expm1_().copysign_(direction)

    def reach(self, classes: torch.Tensor, grid: tuple[int, ...]) -> list[int]:
        """Return the reach of ``refine`` for the map of each class, in voxels."""
        extent = self.extent[classes.cpu().numpy()]
        width = (extent * float(np.prod(grid))) ** (1 / len(grid))
        return [int(size) for size in _REACH * width + 1e-6]  # roots are not exact

    def _upsampled_terms(
        self, level: int, maps: torch.Tensor, classes: torch.Tensor, grid: tuple[int, ...]
    ) -> torch.Tensor:
        feature_grid = self.levels[level].feature_grid_on(maps.shape[1:], grid)
        return upsample(self._terms(level, maps, classes), grid, feature_grid)

    def _terms(self, level: int, maps: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
        chosen = classes.cpu().numpy()
        varies = self._varies[chosen]
        share = varies[:, level] / np.maximum(varies.sum(1), 1)
        z = self.standardise(level, maps, classes)
        used = torch.from_numpy(self.used_baselines[chosen]).to(z)
        terms = z.new_zeros(len(z), len(BASELINES) + 1, *maps.shape[1:])
        column = (-1, *[1] * (maps.ndim - 1))
        # One baseline at a time, to save memory on volumes.
        for baseline in range(len(BASELINES)):
            size = torch.abs(z[:, baseline], out=terms[:, baseline]).log1p_()
            terms[:, -1].addcmul_(size.copysign(z[:, baseline]), used[:, baseline].reshape(column))
        return terms.mul_(torch.from_numpy(share).to(z).reshape(-1, *[1] * maps.ndim))
