"""Passes over the training data: map the levels of every image, or select some images."""

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
from hrcam.model.call import Images, logits_of
from hrcam.model.inputs import check_images, to_device_of
from hrcam.model.tensors import map_tensors

# Up to this many classes, every image is mapped for all of them in one pass.
CLASSES_AT_ONCE = 16
# With more classes, an image is mapped for its own class and this many others.
_OTHER_CLASSES = 2
# Images in one backward pass.
_BACKWARD_BATCH = 2


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
    """

    maps: list[torch.Tensor]
    classes: torch.Tensor
    image_classes: torch.Tensor
    grid: tuple[int, ...]


@dataclass(frozen=True)
class SelectedBatch:
    """A small batch of selected training images.

    Attributes
    ----------
    images
        On the model's device.
    labels
        Class indices of the first ``count`` images, or None for ``target="logits"``.
    count
        Number of selected images. They come first; a further image may fill the batch.
    """

    images: Images
    labels: torch.Tensor | None
    count: int


@dataclass(frozen=True)
class TrainingPasses:
    """Passes over the training images with the levels known: pattern maps, selected images.

    The class of an image is its label, or the CNN's largest output. With a single output, it is
    class 0 if the output exceeds ``threshold``, and none (−1) otherwise. With more than
    `CLASSES_AT_ONCE` classes, an image is mapped for its own class and two others; without labels
    that takes a second forward pass.

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

    def image_classes(self, outcome: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """Return the class of each image, shape (N,), or −1, from labels or the CNN's outputs."""
        if self.target == "labels":
            return outcome.astype(np.int64)
        return self.classes_of_logits(torch.from_numpy(outcome)).numpy()

    @torch.no_grad()
    def mapped_batches(self, weights: MapWeights, stage: str) -> Iterator[MappedBatch]:
        """Pass over the data, and yield the level pattern maps of each batch.

        Parameters
        ----------
        weights
            What to contract each level with.
        stage
            Label of the progress bar.
        """
        every_class = torch.arange(weights.classes)[None]
        read = partial(_contract_level, weights)
        for images, labels in training_batches(
            self.model, self.loader, self.target == "labels", stage
        ):
            weights.to(self.levels.image_of(images).device)
            image_classes = None if labels is None else labels.reshape(-1).long()
            wanted = None
            if weights.classes > CLASSES_AT_ONCE:
                if image_classes is None:
                    result, _ = capture(self.model, images, (), _nothing)
                    image_classes = self.classes_of_logits(logits_of(result, self.output))
                offsets = torch.arange(1 + _OTHER_CLASSES)
                wanted = (image_classes[:, None] + offsets) % weights.classes
            result, maps = capture(self.model, images, self.levels, partial(read, wanted))
            if image_classes is None:
                image_classes = self.classes_of_logits(logits_of(result, self.output))
            classes = every_class.expand(len(image_classes), -1) if wanted is None else wanted
            yield MappedBatch(maps, classes, image_classes, self.levels.grid_of(images))

    def selected_batches(self, indices: Collection[int], stage: str) -> Iterator[SelectedBatch]:
        """Yield the images with the given indices in batches of at most two.

        The pass over the data ends after the last of them.

        Parameters
        ----------
        indices
            Places in the loader's order.
        stage
            Label of the progress bar.
        """
        first, wanted = 0, set(indices)
        labelled = self.target == "labels"
        for batch in _progress(self.loader, stage):
            images, labels = split_batch(batch, labelled, self.model)
            size = len(self.levels.image_of(images))
            here = [index for index in range(size) if first + index in wanted]
            for start in range(0, len(here), _BACKWARD_BATCH):
                group = here[start : start + _BACKWARD_BATCH]
                # Some models squeeze the batch axis of a single image: add a second one.
                others = [] if len(group) > 1 or size == 1 else [(group[0] + 1) % size]
                selected = _take(images, [*group, *others], size)
                selected = to_device_of(self.model, selected)
                selected_labels = None if labels is None else labels[group].cpu().long()
                yield SelectedBatch(selected, selected_labels, len(group))
            first += size
            if first > max(wanted):
                break

    def classes_of_logits(self, logits: torch.Tensor) -> torch.Tensor:
        """Return the class of each image, shape (B,), or −1, from the CNN's outputs."""
        if logits.shape[1] > 1:
            return logits.argmax(1).cpu()
        return torch.where(logits[:, 0] > self.threshold, 0, -1).cpu()


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


def _nothing(_level: int, _feature_map: torch.Tensor) -> None:
    return None


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
