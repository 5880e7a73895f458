"""Images for training: drawn in an order and with changes that depend on seed and epoch alone."""

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset, Sampler

from hrcam.errors import InputError

Transform = Callable[[torch.Tensor, int], torch.Tensor]
"""Changes an image (C, *spatial) at random; the same for the same whole number."""

# Seeds of draws: what numpy's legacy generators, and so MONAI's transforms, take.
_DRAWS = 2**32


class ImageDataset(Dataset[tuple[torch.Tensor, int]]):
    """Images (N, C, *spatial) with labels (N,).

    Its keys are indices, for images as they are, or pairs of an index and a draw, for images
    changed by ``transform``.
    """

    def __init__(
        self,
        images: NDArray[np.float32] | Sequence[NDArray[np.float32]],
        labels: NDArray[np.int64],
        transform: Transform | None = None,
    ) -> None:
        if len(images) != len(labels):
            raise InputError(
                f"there are {len(images)} images and {len(labels)} labels: give one label per image"
            )
        self._images, self._labels, self._transform = images, labels, transform
        self._indices: NDArray[np.int64] = np.arange(len(labels))

    def subset(self, indices: NDArray[np.int64]) -> Self:
        """Return the data set of some of the images, which are not copied."""
        part = copy(self)
        part._indices = self._indices[indices]
        return part

    @property
    def labels(self) -> torch.Tensor:
        """The class of each image, shape (N,)."""
        return torch.as_tensor(self._labels[self._indices])

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._indices)

    def __getitem__(self, key: int | tuple[int, int]) -> tuple[torch.Tensor, int]:
        """Return an image and its label."""
        index, draw = key if isinstance(key, tuple) else (key, None)
        place = int(self._indices[index])
        image = torch.from_numpy(np.array(self._images[place]))
        if draw is not None and self._transform is not None:
            # Subclasses, as MONAI's transforms may return, would slow every layer of the network.
            image = torch.as_tensor(self._transform(image, draw)).as_subclass(torch.Tensor)
        return image, int(self._labels[place])


class Draws(Sampler[tuple[int, int]]):
    """Every image once, shuffled, each with a draw for its transform.

    Order and draws depend on the seed and the epoch alone, so that a training that was
    interrupted goes on as if it had not been.
    """

    def __init__(self, count: int, seed: int) -> None:
        self._count, self._seed, self._epoch = count, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; Lightning calls this."""
        self._epoch = epoch

    def __len__(self) -> int:
        """Return the number of images."""
        return self._count

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Yield pairs of an index and a draw."""
        generator = np.random.default_rng([self._seed, self._epoch])
        order = generator.permutation(self._count)
        draws = generator.integers(_DRAWS, size=self._count)
        return iter(list(zip(order.tolist(), draws.tolist(), strict=True)))
