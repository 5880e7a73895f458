"""A loader that must yield the same images in the same order on every pass."""

from collections.abc import Iterable, Iterator
from operator import length_hint
from typing import Any

import torch
from torch import nn
from torch.utils.data import (
    DataLoader,
    RandomSampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

from hrcam.errors import InputError
from hrcam.model.batches import split_batch
from hrcam.model.inputs import image_of

_RANDOM = (RandomSampler, SubsetRandomSampler, WeightedRandomSampler)
# Voxels of an image that are compared: enough to tell two images apart, and cheap to read.
_VOXELS = 256


class RepeatedLoader:
    """Batches of a loader, checked on each pass against those of the first.

    Later passes draw images by their place in the order of the first, and compare images with
    what the first pass learnt of them.

    Parameters
    ----------
    loader, model
        As for ``HRCAM`` and ``fit``.
    grouped
        Whether groups are given in the order of the images.

    Raises
    ------
    InputError
        If the loader is an iterator or shuffles; while iterating, if a pass yields other images
        than the first, or more, or fewer.
    """

    def __init__(self, loader: Iterable[Any], model: nn.Module, grouped: bool) -> None:
        _check(loader, grouped)
        self._loader = loader
        self._model = model
        self._first: list[int] = []
        self._passes = 0

    def __len__(self) -> int:
        return length_hint(self._loader)

    def __iter__(self) -> Iterator[Any]:
        self._passes += 1
        if self._passes == 1:
            for batch in self._loader:
                self._first += _fingerprints(batch, self._model)
                yield batch
            return
        seen = 0
        for batch in self._loader:
            for fingerprint in _fingerprints(batch, self._model):
                if seen == len(self._first):
                    raise self._refusal(f"more than the {seen} images of the first")
                if fingerprint != self._first[seen]:
                    raise self._refusal(f"another image in place {seen} than the first")
                seen += 1
            yield batch
        if seen < len(self._first):
            raise self._refusal(f"{seen} images, and the first {len(self._first)}")

    def _refusal(self, what: str) -> InputError:
        return InputError(
            f"the loader changes from pass to pass: pass {self._passes} yields {what}; fit passes "
            "over the images several times, and needs the same ones in the same order: give a "
            "loader with shuffle=False, and draw random augmentation once, before fit"
        )


def _check(loader: Iterable[Any], grouped: bool) -> None:
    if isinstance(loader, Iterator):  # iter(loader) would start the workers of a DataLoader
        raise InputError(
            "the loader is an iterator, which can be passed over once only, and fit needs several "
            "passes: give a DataLoader or a list of batches"
        )
    if not isinstance(loader, DataLoader):
        return
    sampler = getattr(loader.batch_sampler, "sampler", loader.sampler)
    if isinstance(sampler, _RANDOM) or (grouped and not isinstance(sampler, SequentialSampler)):
        why = (
            "groups follow the order of the images, and the loader shuffles them"
            if grouped
            else "fit passes over the images several times, in one order, and the loader shuffles "
            "them"
        )
        raise InputError(
            f"{why} (its sampler is a {type(sampler).__name__}): give a loader with shuffle=False"
        )


def _fingerprints(batch: Any, model: nn.Module) -> list[int]:
    """Return a number for each image of a batch that tells it from other images."""
    image = image_of(split_batch(batch, False, model)[0]).detach().as_subclass(torch.Tensor)
    voxels = image[0].numel() if len(image) else 0
    if not voxels:
        return []  # refused when it is read
    # An odd step does not stay in one column of an image whose sides are powers of two.
    step = voxels // _VOXELS | 1
    sample = image.flatten(1)[:, ::step].cpu().contiguous().view(torch.uint8)
    return [hash(row.tobytes()) for row in sample.numpy()]
