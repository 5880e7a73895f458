"""What the levels' own pattern maps do on the training images: learnt without a mask."""

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
# The mean at one position is worth this many images of the mean over all positions.
_PRIOR = 10
# A level whose map varies less than this is constant.
FLAT = 1e-12


class LevelMoments:
    """Mean at each position, and spread, of the level maps on images of other classes.

    The resolution of a level is that of its first map; maps of other sizes are interpolated.
    """

    def __init__(self, classes: int, levels: int) -> None:
        self._classes = classes
        self._sums: list[torch.Tensor | None] = [None] * levels
        self._squares = torch.zeros(levels, 2 * classes, dtype=torch.float64)
        self._counts = torch.zeros(classes, 2, dtype=torch.float64)

    def add(
        self, maps: Sequence[torch.Tensor], classes: torch.Tensor, members: torch.Tensor
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
        """
        slots = (classes * 2 + (members[:, None] == classes)).flatten()
        self._counts.view(-1).index_add_(0, slots, torch.ones(len(slots), dtype=self._counts.dtype))
        for level, one in enumerate(maps):
            sums = self._sums[level]
            if sums is None:
                shape = (2 * self._classes, *one.shape[2:])
                sums = torch.zeros(shape, dtype=torch.float64)
                self._sums[level] = sums
            values = upsample(one, tuple(sums.shape[1:])).double().cpu().flatten(0, 1)
            sums.index_add_(0, slots, values)
            self._squares[level].index_add_(0, slots, values.square().flatten(1).mean(1))

    def mean(self) -> list[Array]:
        """Return ν, the mean at each position, (K, *S_l) for each level.

        Where there are few images, it is drawn towards the mean over all positions. Without
        images of other classes it is that of the class's own, here and in ``spread``.
        """
        return [moments[0] for moments in self._moments()]

    def spread(self) -> Array:
        """Return s, the standard deviation about ν over positions and images, (K, L)."""
        return np.stack([moments[1] for moments in self._moments()], axis=1)

    def _moments(self) -> list[tuple[Array, Array]]:
        counts = self._of_others(self._counts.numpy())
        trust = counts / (counts + _PRIOR)
        result = []
        for sums, squares in zip(self._sums, self._squares, strict=True):
            if sums is None:
                raise RuntimeError("moments of no image")
            shape = (self._classes, 2, *sums.shape[1:])
            axes = tuple(range(1, sums.ndim))
            column = (-1, *[1] * (sums.ndim - 1))
            divisor = np.maximum(counts, 1)
            mean = self._of_others(sums.numpy().reshape(shape)) / divisor.reshape(column)
            overall = mean.mean(axes, keepdims=True)
            drawn = overall + trust.reshape(column) * (mean - overall)
            second = self._of_others(squares.numpy().reshape(self._classes, 2)) / divisor
            variance = second - (2 * mean * drawn - drawn**2).mean(axes)
            result.append((drawn, np.sqrt(np.maximum(variance, 0))))
        return result

    def _of_others(self, totals: Array) -> Array:
        alone = (self._counts[:, 0] == 0).numpy()
        chosen: Array = np.where(
            alone.reshape(-1, *[1] * (totals.ndim - 2)), totals[:, 1], totals[:, 0]
        )
        return chosen


class LevelPeaks:
    """How well the peak of each level's map tells images of the class from others."""

    def __init__(self, classes: int, levels: int) -> None:
        self._levels = levels
        self._peaks: list[list[Array]] = [[] for _ in range(classes)]
        self._member: list[list[bool]] = [[] for _ in range(classes)]

    def add(
        self, maps: Sequence[torch.Tensor], classes: torch.Tensor, members: torch.Tensor
    ) -> None:
        """Take in a batch: parameters as in `LevelMoments.add`, the maps standardised."""
        peaks = torch.stack([_peak(one) for one in maps], dim=2).double().cpu().numpy()
        for image, row in enumerate(classes.tolist()):
            for index, name in enumerate(row):
                self._peaks[name].append(peaks[image, index])
                self._member[name].append(bool(members[image] == name))

    def members(self) -> npt.NDArray[np.int64]:
        """Return how many images of each class there were, (K,)."""
        return np.array([sum(member) for member in self._member])

    def auc(self) -> Array:
        """Return the area under the ROC curve of each level's peak, (K, L); 0.5 if unknown."""
        area = np.full((len(self._peaks), self._levels), 0.5)
        for name, (peaks, member) in enumerate(zip(self._peaks, self._member, strict=True)):
            if 0 < sum(member) < len(member):
                area[name] = [roc_auc_score(member, column) for column in np.array(peaks).T]
        return area


def _peak(maps: torch.Tensor) -> torch.Tensor:
    values = maps.flatten(2)
    return values.topk(max(1, round(_PEAK * values.shape[-1])), dim=-1).values.mean(-1)
