"""What the levels' own pattern maps are on images of the class that another is compared with."""

from collections.abc import Sequence

import numpy as np
import torch

from hrcam.head.covariance import ALL_OTHERS, References
from hrcam.head.linear_models import Array
from hrcam.levels.operators import upsample

# The mean at one position is worth this many images of the mean over all positions.
_PRIOR = 10
# A level whose map varies less than this is constant.
FLAT = 1e-12

OWN, REFERENCE, NEITHER = 0, 1, 2


def roles(classes: torch.Tensor, members: torch.Tensor, references: References) -> torch.Tensor:
    """Say what images are to classes: of the class, of its reference, or neither.

    Parameters
    ----------
    classes
        Shape (B, M).
    members
        Each image's own class, shape (B,), or −1 for none.
    references
        As in `hrcam.head.covariance`.

    Returns
    -------
    `OWN`, `REFERENCE` or `NEITHER`, shape (B, M).
    """
    wanted = torch.from_numpy(references)[classes]
    own = classes == members[:, None]
    compared = (wanted == ALL_OTHERS) | (wanted == members[:, None])
    other = torch.where(compared, REFERENCE, NEITHER)
    return torch.where(own, OWN, other)


class LevelMoments:
    """Mean at each position, and spread, of the level maps on images of the reference.

    The resolution of a level is that of its first map; maps of other sizes are interpolated.
    """

    def __init__(self, references: References, levels: int) -> None:
        self._references = references
        self._sums: list[torch.Tensor | None] = [None] * levels
        slots = 3 * len(references)
        self._squares = torch.zeros(levels, slots, dtype=torch.float64)
        self._counts = torch.zeros(slots, dtype=torch.float64)

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
        slots = (classes * 3 + roles(classes, members, self._references)).flatten()
        self._counts.index_add_(0, slots, torch.ones(len(slots), dtype=self._counts.dtype))
        for level, one in enumerate(maps):
            sums = self._sums[level]
            if sums is None:
                shape = (len(self._counts), *one.shape[2:])
                sums = torch.zeros(shape, dtype=torch.float64)
                self._sums[level] = sums
            values = upsample(one, tuple(sums.shape[1:])).double().cpu().flatten(0, 1)
            sums.index_add_(0, slots, values)
            self._squares[level].index_add_(0, slots, values.square().flatten(1).mean(1))

    def mean(self) -> list[Array]:
        """Return ν, the mean at each position, (K, *S_l) for each level.

        Where there are few images, it is drawn towards the mean over all positions. Without
        images of the reference it is that of the class's own, here and in ``spread``.
        """
        return [moments[0] for moments in self._moments()]

    def spread(self) -> Array:
        """Return s, the standard deviations over positions and images, (K, L, 2).

        The first is about ν, the second about its mean over all positions.
        """
        return np.stack([moments[1] for moments in self._moments()], axis=1)

    def _moments(self) -> list[tuple[Array, Array]]:
        counts = self._of_reference(self._counts)
        trust = counts / (counts + _PRIOR)
        result = []
        for sums, squares in zip(self._sums, self._squares, strict=True):
            if sums is None:
                raise RuntimeError("moments of no image")
            axes = tuple(range(1, sums.ndim))
            column = (-1, *[1] * (sums.ndim - 1))
            divisor = np.maximum(counts, 1)
            mean = self._of_reference(sums) / divisor.reshape(column)
            overall = mean.mean(axes, keepdims=True)
            drawn = overall + trust.reshape(column) * (mean - overall)
            second = self._of_reference(squares) / divisor
            about = [
                second - (2 * mean * centre - centre**2).mean(axes) for centre in (drawn, overall)
            ]
            result.append((drawn, np.sqrt(np.maximum(np.stack(about, axis=1), 0))))
        return result

    def _of_reference(self, totals: torch.Tensor) -> Array:
        by_role = totals.numpy().reshape(len(self._references), 3, *totals.shape[1:])
        alone = self._counts.numpy().reshape(-1, 3)[:, REFERENCE] == 0
        chosen: Array = np.where(
            alone.reshape(-1, *[1] * (totals.ndim - 1)), by_role[:, OWN], by_role[:, REFERENCE]
        )
        return chosen
