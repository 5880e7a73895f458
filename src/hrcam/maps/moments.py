"""Mean and standard deviation of the level pattern maps on images of the reference class."""

from collections.abc import Sequence

import numpy as np
import torch

from hrcam.head.covariance import ALL_OTHERS, References
from hrcam.head.linear_models import Array
from hrcam.levels.operators import upsample

# Shrinkage of the mean at each position towards the mean over positions, in images.
_PRIOR = 10
# A level map whose standard deviation is below this is constant.
FLAT = 1e-12

IN_CLASS, IN_REFERENCE, IN_NEITHER = 0, 1, 2


def memberships(
    classes: torch.Tensor, image_classes: torch.Tensor, references: References
) -> torch.Tensor:
    """Tell for each class whether an image is of the class, of its reference, or of neither.

    Parameters
    ----------
    classes
        Shape (B, M).
    image_classes
        The class of each image, shape (B,), or −1 for none.
    references
        As in `hrcam.head.covariance`.

    Returns
    -------
    `IN_CLASS`, `IN_REFERENCE` or `IN_NEITHER`, shape (B, M).
    """
    reference = torch.from_numpy(references)[classes]
    in_class = classes == image_classes[:, None]
    in_reference = (reference == ALL_OTHERS) | (reference == image_classes[:, None])
    others = torch.where(in_reference, IN_REFERENCE, IN_NEITHER)
    return torch.where(in_class, IN_CLASS, others)


class LevelMoments:
    """Running mean at each position, and standard deviation, of the level maps of the reference.

    A level's maps are interpolated to the size of its first map.
    """

    def __init__(self, references: References, levels: int) -> None:
        self._references = references
        self._sums: list[torch.Tensor | None] = [None] * levels
        slots = 3 * len(references)
        self._squares = torch.zeros(levels, slots, dtype=torch.float64)
        self._counts = torch.zeros(slots, dtype=torch.float64)

    def add(
        self, maps: Sequence[torch.Tensor], classes: torch.Tensor, image_classes: torch.Tensor
    ) -> None:
        """Add the level maps of a batch.

        Parameters
        ----------
        maps
            For each level, the maps of M classes, shape (B, M, *S_l).
        classes
            The classes that are mapped, shape (B, M).
        image_classes
            The class of each image, shape (B,), or −1 for none.
        """
        slots = (classes * 3 + memberships(classes, image_classes, self._references)).flatten()
        self._counts.index_add_(0, slots, torch.ones(len(slots), dtype=self._counts.dtype))
        for level, one in enumerate(maps):
            sums = self._sums[level]
            if sums is None:
                shape = (len(self._counts), *one.shape[2:])
                sums = torch.zeros(shape, dtype=torch.float64)
                self._sums[level] = sums
            values = upsample(one, tuple(sums.shape[1:])).cpu().double().flatten(0, 1)
            sums.index_add_(0, slots, values)
            self._squares[level].index_add_(0, slots, values.square().flatten(1).mean(1))

    def mean(self) -> list[Array]:
        """Return ν, the mean at each position, (K, *S_l) for each level.

        With few images it is shrunk towards the mean over all positions. Without images of the
        reference, the images of the class itself are used, here and in ``std``.
        """
        return [moments[0] for moments in self._moments()]

    def std(self) -> Array:
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
            shrunk = overall + trust.reshape(column) * (mean - overall)
            second = self._of_reference(squares) / divisor
            about = [
                second - (2 * mean * centre - centre**2).mean(axes) for centre in (shrunk, overall)
            ]
            result.append((shrunk, np.sqrt(np.maximum(np.stack(about, axis=1), 0))))
        return result

    def _of_reference(self, totals: torch.Tensor) -> Array:
        """Return the totals of the reference's images; of the class's own where there are none."""
        by_membership = totals.numpy().reshape(len(self._references), 3, *totals.shape[1:])
        empty = self._counts.numpy().reshape(-1, 3)[:, IN_REFERENCE] == 0
        chosen: Array = np.where(
            empty.reshape(-1, *[1] * (totals.ndim - 1)),
            by_membership[:, IN_CLASS],
            by_membership[:, IN_REFERENCE],
        )
        return chosen
