"""How much each level counts in the pattern map: the weights λ, learnt without a mask.

The one place for the fusion rule. ``LevelStatistics`` watches the levels' own pattern maps in a
second pass over the training images; ``level_weights`` turns what it saw into λ, shape (K, L).
"""

from collections.abc import Sequence

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


class LevelStatistics:
    """What the level maps of each class do on images of that class and on others."""

    def __init__(self, classes: int, levels: int) -> None:
        self._classes, self._levels = classes, levels
        self._squares = np.zeros((classes, 2, levels))
        self._sums = np.zeros((classes, 2, levels))
        self._positions = np.zeros((classes, 2))
        self._products = np.zeros((classes, levels, levels))
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
        centred = stacked - stacked.mean(-1, keepdim=True)
        products = torch.einsum("bmip,bmjp->bmij", centred, centred).double().cpu().numpy()
        squares = stacked.square().sum(-1).double().cpu().numpy()
        for image, row in enumerate(classes.tolist()):
            for index, name in enumerate(row):
                member = bool(members[image] == name)
                self._sums[name, int(member)] += sums[image, index]
                self._squares[name, int(member)] += squares[image, index]
                self._positions[name, int(member)] += stacked.shape[-1]
                if member:
                    self._products[name] += products[image, index]
                self._peaks[name].append(peaks[image, index])
                self._member[name].append(member)

    def spread(self) -> Array:
        """Return the standard deviation over the pixels of images of other classes, (K, L)."""
        positions = np.maximum(self._positions[:, 0, None], 1)
        mean = self._sums[:, 0] / positions
        variance = self._squares[:, 0] / positions - mean**2
        spread: Array = np.sqrt(np.maximum(variance, 0))
        return spread

    def peak_auc(self) -> Array:
        """Return how well each level map's peak alone tells images of the class, (K, L)."""
        area = np.full((self._classes, self._levels), 0.5)
        for name in range(self._classes):
            member = np.array(self._member[name])
            if 0 < member.sum() < len(member):
                peaks = np.array(self._peaks[name])
                area[name] = [roc_auc_score(member, column) for column in peaks.T]
        return area

    def agreement(self) -> Array:
        """Return the spatial correlation of each level with the sum of the others, (K, L)."""
        spread = np.sqrt(np.maximum(np.einsum("kll->kl", self._products), 1e-30))
        correlation = self._products / (spread[:, :, None] * spread[:, None, :])
        with_others = correlation.sum(2) - 1
        others = correlation.sum((1, 2))[:, None] - 2 * with_others - 1
        agreement: Array = with_others / np.sqrt(np.maximum(others, 1e-12))
        return agreement


def level_weights(statistics: LevelStatistics) -> Array:
    """Return λ, shape (K, L): peak AUC above chance, times agreement, over the spread.

    A level counts as far as it stands out from images without the class, tells the class by
    itself, and points where the other levels point. Where no level does, all count alike.
    """
    spread = statistics.spread()
    merit = np.maximum(statistics.peak_auc() - 0.5, 0) * np.maximum(statistics.agreement(), 0)
    merit[merit.sum(1) <= 0] = 1.0
    merit /= merit.sum(1, keepdims=True)
    flat = spread <= 1e-12
    weights: Array = np.where(flat, 0.0, merit / np.where(flat, 1.0, spread))
    return weights


def fuse(maps: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return Σ_l λ_l m_l for upsampled level maps (B, L, *spatial) and weights (B, L)."""
    return torch.einsum("bl...,bl->b...", maps, weights)
