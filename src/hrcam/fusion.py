"""How the level maps become one pattern map: learnt from the training images, without a mask.

The one place for the fusion rule. ``LevelStatistics`` watches the levels' own pattern maps in a
second pass over the training images; ``fit_fusion`` turns what it saw into a ``LevelFusion``,
whose ``combine`` makes one map of several.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import numpy.typing as npt
import torch
from sklearn.metrics import roc_auc_score

from hrcam.interpolation import upsample

Array = npt.NDArray[np.float64]

# The peak of a map is the mean of this share of its largest values: about the size of a small
# lesion, and less noisy than the maximum alone.
_PEAK = 0.004
# Statistics are taken on a grid of at most this many positions; more cost time and say the same.
_POSITIONS = 2**15
# A level whose map varies less than this is constant.
_FLAT = 1e-12


class LevelStatistics:
    """What the level maps of each class do on images of that class and on others."""

    def __init__(self, classes: int, levels: int) -> None:
        self._classes, self._levels = classes, levels
        self._squares = np.zeros((classes, 2, levels))
        self._sums = np.zeros((classes, 2, levels))
        self._positions = np.zeros((classes, 2))
        self._peaks: list[list[Array]] = [[] for _ in range(classes)]
        self._member: list[list[bool]] = [[] for _ in range(classes)]

    def add(
        self,
        maps: Sequence[torch.Tensor],
        classes: torch.Tensor,
        members: torch.Tensor,
        grid: tuple[int, ...],
    ) -> None:
        """Take in the level maps of a batch.

        Parameters
        ----------
        maps
            For each level, the maps of M classes, shape (B, M, *S_l).
        classes
            Which classes these are, shape (B, M).
        members
            Each image's own class, shape (B,), or −1 for none.
        grid
            Spatial size of the images.
        """
        shrink = min(1.0, (_POSITIONS / np.prod(grid)) ** (1 / len(grid)))
        coarse = tuple(max(1, round(size * shrink)) for size in grid)
        stacked = torch.stack([upsample(level, coarse).flatten(2) for level in maps], dim=2)
        count = max(1, round(_PEAK * stacked.shape[-1]))
        peaks = stacked.topk(count, dim=-1).values.mean(-1).double().cpu().numpy()
        sums = stacked.sum(-1).double().cpu().numpy()
        squares = stacked.square().sum(-1).double().cpu().numpy()
        for image, row in enumerate(classes.tolist()):
            for index, name in enumerate(row):
                member = bool(members[image] == name)
                self._sums[name, int(member)] += sums[image, index]
                self._squares[name, int(member)] += squares[image, index]
                self._positions[name, int(member)] += stacked.shape[-1]
                self._peaks[name].append(peaks[image, index])
                self._member[name].append(member)

    def mean(self) -> Array:
        """Return the mean over the pixels of images of other classes, (K, L).

        Where there are no such images, over those of the class, here and in ``spread``.
        """
        mean: Array = self._of_others(self._sums) / self._pixels()
        return mean

    def spread(self) -> Array:
        """Return the standard deviation over the pixels of images of other classes, (K, L)."""
        variance = self._of_others(self._squares) / self._pixels() - self.mean() ** 2
        spread: Array = np.sqrt(np.maximum(variance, 0))
        return spread

    def _of_others(self, totals: Array) -> Array:
        alone = self._positions[:, :1] == 0
        return np.where(alone, totals[:, 1], totals[:, 0])

    def _pixels(self) -> Array:
        pixels: Array = np.maximum(self._of_others(self._positions[..., None]), 1)
        return pixels

    def peak_auc(self) -> Array:
        """Return how well each level map's peak alone tells images of the class, (K, L)."""
        area = np.full((self._classes, self._levels), 0.5)
        for name in range(self._classes):
            member = np.array(self._member[name])
            if 0 < member.sum() < len(member):
                peaks = np.array(self._peaks[name])
                area[name] = [roc_auc_score(member, column) for column in peaks.T]
        return area


@dataclass(frozen=True)
class LevelFusion:
    """What makes one pattern map of a class's level maps.

    Attributes
    ----------
    mean, spread
        ν and s, over the pixels of images of other classes, shape (K, L).
    weights
        λ, shape (K, L); each class's sum to 1.
    """

    mean: Array
    spread: Array
    weights: Array

    def combine(
        self, maps: Iterable[torch.Tensor], classes: torch.Tensor, grid: tuple[int, ...]
    ) -> torch.Tensor:
        """Return P with sign(P) log(1 + |P|) = Σ_l λ_l U_l( sign(z_l) log(1 + |z_l|) ).

        Here z_l = (m_l − ν_l) / s_l: how many standard deviations a place is above images of
        other classes. Where all are positive, 1 + P is the weighted geometric mean of the
        1 + z_l: it is large where several levels agree, and no level's few extreme values outvote
        the others.

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
        chosen = classes.cpu().numpy()
        total = reduce(
            torch.add,
            (
                upsample(self._term(level, level_map, chosen)[:, None], grid)
                for level, level_map in enumerate(maps)
            ),
        )[:, 0]
        return torch.abs(total).expm1_().copysign_(total)

    def _term(self, level: int, maps: torch.Tensor, chosen: npt.NDArray[np.int64]) -> torch.Tensor:
        """Return λ_l sign(z_l) log(1 + |z_l|) of one level."""
        mean, spread, weight = (
            torch.from_numpy(values[chosen, level]).to(maps).reshape(-1, *[1] * (maps.ndim - 1))
            for values in (self.mean, np.maximum(self.spread, _FLAT), self.weights)
        )
        z = (maps - mean).div_(spread)
        return torch.abs(z).log1p_().copysign_(z).mul_(weight)


def fit_fusion(statistics: LevelStatistics) -> LevelFusion:
    """Weigh each level by how well it tells the class by itself: the square of 2 AUC − 1.

    The AUC is that of the level map's peak. A level that is flat does not count. Where no level
    tells the class, all count alike.
    """
    mean, spread = statistics.mean(), statistics.spread()
    merit = np.maximum(2 * statistics.peak_auc() - 1, 0) ** 2
    merit = np.where(merit.sum(1, keepdims=True) > 0, merit, 1.0)
    merit = np.where(spread > _FLAT, merit, 0.0)
    total = merit.sum(1, keepdims=True)
    return LevelFusion(mean, spread, merit / np.where(total > 0, total, 1.0))
