"""Training images, in an order and with augmentation that depend only on seed and epoch."""

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset, Sampler

from hrcam.errors import InputError

Transform = Callable[[torch.Tensor, int], torch.Tensor]
"""Random transform of an image (C, *spatial), determined by an integer."""

# Range of seeds that numpy's legacy generators, and MONAI's transforms, accept.
_DRAWS = 2**32


class ImageDataset(Dataset[tuple[torch.Tensor, Any]]):
    """Images (N, C, *spatial) with targets: class indices or values, (N,), or answers, (N, K).

    Keys are indices, for original images, or pairs of an index and a seed, for images transformed
    by ``transform``.
    """

    def __init__(
        self,
        images: NDArray[np.float32] | Sequence[NDArray[np.float32]],
        targets: NDArray[Any],
        transform: Transform | None = None,
    ) -> None:
        if len(images) != len(targets):
            raise InputError(
                f"there are {len(images)} images and {len(targets)} labels: give one label per "
                "image"
            )
        self._images, self._targets, self._transform = images, targets, transform
        self._indices: NDArray[np.int64] = np.arange(len(targets))

    def subset(self, indices: NDArray[np.int64]) -> Self:
        """Return a dataset of some of the images, without copying them."""
        part = copy(self)
        part._indices = self._indices[indices]
        return part

    @property
    def targets(self) -> torch.Tensor:
        """What is learnt of each image, shape (N,) or (N, K)."""
        return torch.as_tensor(self._targets[self._indices])

    def __getstate__(self) -> dict[str, Any]:
        """Leave images that are mapped from a file there: another process maps them again."""
        state = self.__dict__.copy()
        if isinstance(self._images, np.memmap):
            state["_images"] = Path(str(self._images.filename))
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore what `__getstate__` returned."""
        self.__dict__.update(state)
        if isinstance(self._images, Path):
            self._images = np.load(self._images, mmap_mode="r")

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._indices)

    def __getitem__(self, key: int | tuple[int, int]) -> tuple[torch.Tensor, Any]:
        """Return an image and what is learnt of it."""
        index, draw = key if isinstance(key, tuple) else (key, None)
        place = int(self._indices[index])
        image = torch.from_numpy(np.array(self._images[place]))
        if draw is not None and self._transform is not None:
            # Tensor subclasses, which MONAI's transforms may return, would slow down every layer.
            image = torch.as_tensor(self._transform(image, draw)).as_subclass(torch.Tensor)
        return image, self._targets[place]


Item = TypeVar("Item")


def share_of_process(items: list[Item]) -> list[Item]:
    """Return what this process takes of a pass that several GPUs share; all if it is alone.

    The first batch of each process together are the first batch that one process would take, and
    so on. Each gets as many, as processes wait for each other after every batch.
    """
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return items
    rank, processes = torch.distributed.get_rank(), torch.distributed.get_world_size()
    return items[rank::processes][: len(items) // processes]


class InOrder(Sampler[int]):
    """Samples every image once, in order; of several processes each its share."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        """Return the number of images of this process."""
        return len(list(iter(self)))

    def __iter__(self) -> Iterator[int]:
        """Yield indices; of fewer images than processes each takes all."""
        everything = list(range(self._count))
        return iter(share_of_process(everything) or everything)


class Draws(Sampler[tuple[int, int]]):
    """Samples every image once, shuffled, with a seed for its transform.

    Order and seeds depend only on the seed and the epoch, so that an interrupted training can
    resume exactly. Of several processes each samples its share.

    Parameters
    ----------
    count, seed
        Number of images; random seed.
    chances
        How often each image is drawn, relative to the others, shape (N,): as many as there are are
        drawn with replacement. None to draw each once.
    """

    def __init__(self, count: int, seed: int, chances: NDArray[np.float64] | None = None) -> None:
        self._count, self._seed, self._chances, self._epoch = count, seed, chances, 0

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch; called by Lightning."""
        self._epoch = epoch

    def __len__(self) -> int:
        """Return the number of images of this process."""
        return len(share_of_process(list(range(self._count))))

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Yield pairs of an index and a seed."""
        generator = np.random.default_rng([self._seed, self._epoch])
        order = (
            generator.permutation(self._count)
            if self._chances is None
            else generator.choice(self._count, self._count, p=self._chances / self._chances.sum())
        )
        draws = generator.integers(_DRAWS, size=self._count)
        return iter(share_of_process(list(zip(order.tolist(), draws.tolist(), strict=True))))
