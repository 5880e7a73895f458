"""Passes over the training data: pool every level, or watch the levels' own maps."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence, Sized
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.utils.data import DataLoader, SequentialSampler
from tqdm import tqdm

from hrcam.errors import FitError, InputError
from hrcam.head.fit import Target
from hrcam.levels import Levels
from hrcam.levels.capture import capture
from hrcam.levels.operators import contract, pool
from hrcam.maps.weights import PATTERN, MapWeights
from hrcam.model.batches import batches, split_batch
from hrcam.model.call import Images, logits_of
from hrcam.model.inputs import check_images, grid_of, image_of, to_device_of
from hrcam.model.tensors import map_tensors

# Up to this many classes are mapped together; more cost less one by one, their class known.
CLASSES_AT_ONCE = 16
# Of more classes than that, an image's own is compared with this many others.
_OTHER_CLASSES = 2
# So many images take a backward pass together.
_AT_ONCE = 2

Watched = tuple[list[torch.Tensor], torch.Tensor, torch.Tensor, tuple[int, ...]]
"""A batch's level maps (B, M, *S_l), their classes (B, M), own class (B,) or −1, and grid."""


@dataclass(frozen=True)
class PooledData:
    """What is kept of the training images.

    Attributes
    ----------
    pooled
        g, shape (N, ΣC_l).
    outcome
        Labels, shape (N,), or the CNN's outputs, shape (N, K).
    """

    pooled: npt.NDArray[np.float64]
    outcome: npt.NDArray[np.float64]


def check_loader(loader: Iterable[Any], grouped: bool) -> None:
    """Refuse loaders that cannot be passed over twice, or whose order groups cannot follow.

    Raises
    ------
    InputError
        If the loader is an iterator, or if there are groups and it shuffles.
    """
    if isinstance(loader, Iterator):  # iter(loader) would start the workers of a DataLoader
        raise InputError(
            "the loader is an iterator, which can be passed over once only, and fit needs several "
            "passes: give a DataLoader or a list of batches"
        )
    if grouped and isinstance(loader, DataLoader):
        sampler = getattr(loader.batch_sampler, "sampler", loader.sampler)
        if not isinstance(sampler, SequentialSampler):
            raise InputError(
                "groups follow the order of the images, and the loader shuffles them (its sampler "
                f"is a {type(sampler).__name__}): give a loader with shuffle=False"
            )


@torch.no_grad()
def pool_images(
    model: nn.Module,
    loader: Iterable[Any],
    target: Target,
    output: str | int | None,
    find: Callable[[Images], Levels],
) -> tuple[Levels, PooledData]:
    """Pass once over the data and keep the pooled features of every level.

    ``find`` names the levels from the first batch.

    Raises
    ------
    FitError
        If there is no batch, or if feature maps or outputs are not finite.
    InputError
        If a batch cannot be used.
    """
    levels = Levels()
    pooled: list[npt.NDArray[np.float32]] = []
    outcome: list[npt.NDArray[np.float64]] = []
    labelled = target == "labels"
    for images, labels in _images(model, loader, labelled, "pooling"):
        levels = levels or find(images)
        grid = grid_of(images)
        result, parts = capture(model, images, levels, partial(_pool_level, grid))
        row = torch.cat([part.float() for part in parts], dim=1)
        if not bool(torch.isfinite(row).all()):
            wrong = [
                level.name
                for level, part in zip(levels, parts, strict=True)
                if not bool(torch.isfinite(part).all())
            ]
            raise FitError(
                f"the feature maps of the level {wrong[0]!r} hold NaN or infinite values: the "
                "model diverged, or half precision overflowed (bfloat16 has more range)"
            )
        pooled.append(row.cpu().numpy())
        outcome.append(
            (logits_of(result, output) if labels is None else labels).double().cpu().numpy()
        )
    data = PooledData(np.concatenate(pooled).astype(np.float64), np.concatenate(outcome))
    if not np.all(np.isfinite(data.outcome)):
        raise FitError("the model's outputs or the labels hold NaN or infinite values")
    return levels, data


@dataclass(frozen=True)
class ChosenImages:
    """A small batch of some images.

    Attributes
    ----------
    images
        On the model's device.
    labels
        Class indices of the first ``count``, or None for ``target="logits"``.
    count
        How many of the batch are meant: the first ones.
    """

    images: Images
    labels: torch.Tensor | None
    count: int


@dataclass(frozen=True)
class Watch:
    """How the levels' own pattern maps of the training images are watched, pass by pass.

    An image is of the class of its label, or of the CNN's largest output; with one output it is
    of the class if that exceeds ``threshold``. With many classes an image's own is compared with
    two others, and one that is only known from the CNN's output takes a forward pass more.

    Attributes
    ----------
    model, loader, target, output
        As for ``HRCAM`` and ``fit``.
    levels
        Where to read.
    threshold
        For models with one output.
    """

    model: nn.Module
    loader: Iterable[Any]
    target: Target
    output: str | int | None
    levels: Levels
    threshold: float

    def own_classes(self, outcome: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """Return the class of each image, shape (N,), or −1, from labels or the CNN's outputs."""
        if self.target == "labels":
            return outcome.astype(np.int64)
        return self.own_class(torch.from_numpy(outcome)).numpy()

    @torch.no_grad()
    def level_maps(self, weights: MapWeights, stage: str) -> Iterator[Watched]:
        """Pass over the data, and yield each batch's pattern maps level by level."""
        every_class = torch.arange(weights.classes)[None]
        read = partial(_contract_level, weights)
        for images, labels in _images(self.model, self.loader, self.target == "labels", stage):
            weights.to(image_of(images).device)
            own = None if labels is None else labels.reshape(-1).long()
            wanted = None
            if weights.classes > CLASSES_AT_ONCE:
                if own is None:
                    result, _ = capture(self.model, images, (), _nothing)
                    own = self.own_class(logits_of(result, self.output))
                wanted = (own[:, None] + torch.arange(1 + _OTHER_CLASSES)) % weights.classes
            result, maps = capture(self.model, images, self.levels, partial(read, wanted))
            if own is None:
                own = self.own_class(logits_of(result, self.output))
            compared = every_class.expand(len(own), -1) if wanted is None else wanted
            yield maps, compared, own, grid_of(images)

    def chosen_images(self, chosen: Collection[int], stage: str) -> Iterator[ChosenImages]:
        """Pass over the data until the last of some images, and yield these, few at a time.

        Parameters
        ----------
        chosen
            Which, by their places in the loader's order; of a loader that shuffles they are as
            many, and others.
        stage
            What the progress bar says.
        """
        first, wanted = 0, set(chosen)
        labelled = self.target == "labels"
        for batch in _progress(self.loader, stage):
            images, labels = split_batch(batch, labelled, self.model)
            size = len(image_of(images))
            here = [index for index in range(size) if first + index in wanted]
            for start in range(0, len(here), _AT_ONCE):
                group = here[start : start + _AT_ONCE]
                # Models may drop the axis of a batch of one.
                others = [] if len(group) > 1 or size == 1 else [(group[0] + 1) % size]
                some = to_device_of(self.model, _some_of(images, [*group, *others], size))
                own = None if labels is None else labels[group].cpu().long()
                yield ChosenImages(some, own, len(group))
            first += size
            if first > max(wanted):
                break

    def own_class(self, logits: torch.Tensor) -> torch.Tensor:
        """Return the class of each image, shape (B,), or −1, from the CNN's outputs."""
        if logits.shape[1] > 1:
            return logits.argmax(1).cpu()
        return torch.where(logits[:, 0] > self.threshold, 0, -1).cpu()


def _some_of(images: Images, places: Sequence[int], size: int) -> Images:
    def take(tensor: torch.Tensor) -> torch.Tensor:
        return tensor[list(places)] if tensor.ndim > 0 and len(tensor) == size else tensor

    some: Images = map_tensors(images, take)
    return some


def _pool_level(grid: tuple[int, ...], _level: int, feature_map: torch.Tensor) -> torch.Tensor:
    return pool(feature_map, grid)


def _contract_level(
    weights: MapWeights, wanted: torch.Tensor | None, level: int, feature_map: torch.Tensor
) -> torch.Tensor:
    return contract(feature_map, *weights.of(level, wanted, slice(PATTERN, PATTERN + 1)))


def _nothing(_level: int, _feature_map: torch.Tensor) -> None:
    return None


def _images(
    model: nn.Module, loader: Iterable[Any], labelled: bool, stage: str
) -> Iterable[tuple[Images, torch.Tensor | None]]:
    for batch in _progress(loader, stage):
        images, labels = split_batch(batch, labelled, model)
        images = to_device_of(model, images)
        check_images(images, model)
        yield images, labels if labels is None else labels.cpu()


def _progress(loader: Iterable[Any], stage: str) -> Iterable[Any]:
    # tqdm shows nothing where the output is not a terminal.
    total = len(loader) if isinstance(loader, Sized) else None
    shown: Iterable[Any] = tqdm(batches(loader), desc=stage, total=total, disable=None, leave=False)
    return shown
