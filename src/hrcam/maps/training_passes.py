"""Passes over the training data: all images, or the maps or gradients of some."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from operator import length_hint
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from tqdm import tqdm

from hrcam.head.fit import Target
from hrcam.levels import Levels
from hrcam.levels.capture import capture
from hrcam.levels.operators import contract
from hrcam.maps.weights import PATTERN, MapWeights
from hrcam.model.batches import batches, split_batch
from hrcam.model.call import Images
from hrcam.model.inputs import check_images, to_device_of
from hrcam.model.tensors import map_tensors

# Up to this many classes, every image is mapped for all of them at once.
CLASSES_AT_ONCE = 16
# With more classes, an image is mapped for its own class and this many others.
_OTHER_CLASSES = 2
# Images in one forward pass, and in one backward pass.
_FORWARD_BATCH, BACKWARD_BATCH = 16, 2


@dataclass(frozen=True)
class MappedBatch:
    """Level pattern maps of a batch of B training images, for M classes each.

    Attributes
    ----------
    maps
        For each level, shape (B, M, *S_l).
    classes
        The classes that are mapped, shape (B, M).
    image_classes
        The class of each image, shape (B,), or −1 for none.
    grid
        Spatial size of the images.
    members
        Whether each image is of each class that is mapped, shape (B, M), where it can be of
        several; None where ``image_classes`` tells.
    """

    maps: list[torch.Tensor]
    classes: torch.Tensor
    image_classes: torch.Tensor
    grid: tuple[int, ...]
    members: torch.Tensor | None = None


@dataclass(frozen=True)
class SelectedBatch:
    """A small batch of selected training images.

    Attributes
    ----------
    images
        On the model's device. The selected images come first; a further one may fill the batch.
    image_classes
        The class of each of the selected images, shape (count,), or −1 for none.
    members
        Whether each of them is of each class, shape (count, K), where it can be of several.
    """

    images: Images
    image_classes: torch.Tensor
    members: torch.Tensor | None = None

    @property
    def count(self) -> int:
        """Number of selected images."""
        return len(self.image_classes)


@dataclass(frozen=True)
class TrainingPasses:
    """Passes over some of the training images, with the levels known.

    Attributes
    ----------
    model, loader, target, output
        As for ``HRCAM`` and ``fit``.
    levels
        Where to read.
    image_classes
        The class of each image, shape (N,), as `classes_of`.
    members
        Whether each image is of each class, shape (N, K), as `members_of`; None where
        ``image_classes`` tells.
    """

    model: nn.Module
    loader: Iterable[Any]
    target: Target
    output: str | int | None
    levels: Levels
    image_classes: npt.NDArray[np.int64]
    members: npt.NDArray[np.bool_] | None = None

    def draw(self, number: int, generator: np.random.Generator) -> list[int]:
        """Draw the indices of up to ``number`` images, at most an equal share of each class."""
        classes = generator.permutation(np.unique(self.image_classes))[:number]
        share = number // len(classes)
        drawn = [
            generator.permutation(np.flatnonzero(self.image_classes == name))[:share]
            for name in classes
        ]
        indices: list[int] = np.concatenate(drawn).tolist()
        return indices

    @torch.no_grad()
    def mapped_batches(
        self, weights: MapWeights, indices: Collection[int], stage: str
    ) -> Iterator[MappedBatch]:
        """Yield the level pattern maps of the images with the given indices.

        With more than `CLASSES_AT_ONCE` classes, an image is mapped for its own class and two
        others.

        Parameters
        ----------
        weights
            What to contract each level with.
        indices, stage
            As for ``selected_batches``.
        """
        every_class = torch.arange(weights.classes)[None]
        for batch in self.selected_batches(indices, stage, _FORWARD_BATCH):
            grid = self.levels.grid_of(batch.images)
            weights.to(self.levels.image_of(batch.images).device)
            own, wanted = batch.image_classes, None
            size = len(self.levels.image_of(batch.images))
            if weights.classes > CLASSES_AT_ONCE:
                offsets = torch.arange(1 + _OTHER_CLASSES)
                filled = torch.cat([own, own.new_zeros(size - batch.count)])
                wanted = (filled[:, None] + offsets) % weights.classes
            read = partial(_contract_level, weights, wanted)
            _, maps = capture(self.model, batch.images, self.levels, read)
            classes = every_class.expand(size, -1) if wanted is None else wanted
            shown = classes[: batch.count]
            members = None if batch.members is None else batch.members.gather(1, shown)
            yield MappedBatch([level[: batch.count] for level in maps], shown, own, grid, members)

    def selected_batches(
        self, indices: Collection[int], stage: str, most: int
    ) -> Iterator[SelectedBatch]:
        """Yield the images with the given indices in batches of at most ``most``, two or more.

        The pass over the data ends after the last of them.

        Parameters
        ----------
        indices
            Places in the loader's order.
        stage
            Label of the progress bar.
        most
            Largest number of selected images in a batch.
        """
        first, wanted = 0, set(indices)
        for batch in _progress(self.loader, stage):
            images, _ = split_batch(batch, False, self.model)
            size = len(self.levels.image_of(images))
            here = [index for index in range(size) if first + index in wanted]
            for start in range(0, len(here), most):
                group = here[start : start + most]
                # Some models squeeze the batch axis of a single image: add a second one.
                others = [] if len(group) > 1 or size == 1 else [(group[0] + 1) % size]
                selected = _take(images, [*group, *others], size)
                places = [first + index for index in group]
                yield SelectedBatch(
                    to_device_of(self.model, selected),
                    torch.from_numpy(self.image_classes[places]),
                    None if self.members is None else torch.from_numpy(self.members[places]),
                )
            first += size
            if first > max(wanted):
                break


def classes_of(
    outcome: npt.NDArray[np.float64], target: Target, compete: bool = True
) -> npt.NDArray[np.int64]:
    """Return the class of each image, shape (N,), or −1, from labels or the CNN's outputs.

    A single output tells class 0 by exceeding its median, which splits the images into two halves.
    Of several that do not compete, an image is of the one that exceeds its median most, in standard
    deviations of that output.
    """
    if target == "labels":
        return outcome.astype(np.int64)
    if outcome.shape[1] == 1:
        return np.where(outcome[:, 0] > np.median(outcome), 0, -1)
    if not compete:
        spread = outcome.std(0)
        outcome = (outcome - np.median(outcome, axis=0)) / np.where(spread > 0, spread, 1)
    classes: npt.NDArray[np.int64] = outcome.argmax(1)
    return classes


def members_of(
    outcome: npt.NDArray[np.float64], target: Target, compete: bool
) -> npt.NDArray[np.bool_] | None:
    """Return whether each image is of each of several outputs that do not compete, shape (N, K).

    It is where it exceeds the median of that output. None where `classes_of` tells.
    """
    if target == "labels" or compete or outcome.shape[1] == 1:
        return None
    members: npt.NDArray[np.bool_] = outcome > np.median(outcome, axis=0)
    return members


def _take(images: Images, indices: Sequence[int], size: int) -> Images:
    """Index the batch axis of every tensor of a batch of ``size`` images."""

    def take(tensor: torch.Tensor) -> torch.Tensor:
        return tensor[list(indices)] if tensor.ndim > 0 and len(tensor) == size else tensor

    taken: Images = map_tensors(images, take)
    return taken


def _contract_level(
    weights: MapWeights, wanted: torch.Tensor | None, level: int, feature_map: torch.Tensor
) -> torch.Tensor:
    return contract(feature_map, *weights.of(level, wanted, slice(PATTERN, PATTERN + 1)))


def training_batches(
    model: nn.Module, loader: Iterable[Any], labelled: bool, stage: str
) -> Iterator[tuple[Images, torch.Tensor | None]]:
    """Yield the checked images of each batch on the model's device, and the labels on the CPU.

    Parameters
    ----------
    model, loader
        As for ``HRCAM`` and ``fit``.
    labelled
        Whether the loader yields labels to use.
    stage
        Label of the progress bar.

    Raises
    ------
    FitError
        If there is no batch.
    InputError
        If a batch cannot be used.
    """
    for batch in _progress(loader, stage):
        images, labels = split_batch(batch, labelled, model)
        images = to_device_of(model, images)
        check_images(images, model)
        yield images, labels if labels is None else labels.cpu()


def _progress(loader: Iterable[Any], stage: str) -> Iterable[Any]:
    # tqdm shows nothing where the output is not a terminal. Some loaders know no length.
    total = length_hint(loader) or None
    shown: Iterable[Any] = tqdm(batches(loader), desc=stage, total=total, disable=None, leave=False)
    return shown
