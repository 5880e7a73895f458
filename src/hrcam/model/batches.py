"""Batches of a loader, split into images and labels."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import nn

from hrcam.errors import FitError, InputError
from hrcam.model.call import Images, required_arguments, unpacks
from hrcam.model.inputs import image_of


def batches(loader: Iterable[Any]) -> Iterator[Any]:
    """Yield the loader's batches.

    Raises
    ------
    InputError
        If the loader cannot stack the images of a batch because their sizes differ.
    FitError
        If the loader yields nothing.
    """
    iterator = iter(loader)
    for index in itertools.count():
        try:
            batch = next(iterator)
        except StopIteration:
            if index == 0:
                raise FitError(
                    "the loader yields no batch: there is nothing to fit; check the data set's "
                    "length, and that the loader is not an iterator already used up"
                ) from None
            return
        except RuntimeError as error:
            if "equal size" not in str(error):
                raise
            raise InputError(
                f"the images of batch {index} have different sizes: resample or pad them to one "
                f"size, or use batch_size=1 ({str(error).splitlines()[0]})"
            ) from error
        yield batch


def split_batch(batch: Any, labelled: bool, model: nn.Module) -> tuple[Images, torch.Tensor | None]:
    """Split a batch into images and, if ``labelled``, labels.

    A mapping is split by the keys ``image`` and ``label``, as MONAI's data sets yield it, or by
    ``label`` and the names of the model's required arguments if there are several; other keys are
    ignored. A mapping of tensors without a label may be meant for the model and stays whole. In a
    sequence, the first items are the images, one for each required argument of the model, and the
    next is the label; masks and names after it are ignored. To pass an optional argument of the
    model, nest: ``((images, extra), labels)``.

    Returns
    -------
    The images, and the labels, shape (B,); None unless ``labelled``.

    Raises
    ------
    InputError
        If ``labelled``, and there is not one label per image.
    """
    images, rest = _images_and_rest(batch, model)
    if not labelled:
        return images, None
    # A mask or metadata may follow the label, but not what may be the label instead.
    doubtful = any(isinstance(item, torch.Tensor) and not _is_image(item) for item in rest[1:])
    if not rest or doubtful:
        kind = type(batch).__name__ + (
            f" of {len(batch)}" if isinstance(batch, list | tuple) else ""
        )
        raise InputError(
            "with target='labels' the loader must yield pairs (images, labels), and it yields "
            f"a {kind}: pass a DataLoader or a list of such pairs, or fit with target='logits', "
            "which needs no labels"
        )
    try:
        labels = torch.as_tensor(rest[0])
    except (TypeError, ValueError) as error:
        raise InputError(
            f"the labels are not numbers ({error}): expected one class index per image"
        ) from error
    size = image_of(images).shape[0]
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.shape != (size,):
        raise InputError(
            f"the labels have the shape {tuple(labels.shape)} for a batch of {size} images: "
            "expected one class index per image (labels.argmax(1) of one-hot labels)"
        )
    return images, labels


def _images_and_rest(batch: Any, model: nn.Module) -> tuple[Images, list[Any]]:
    if isinstance(batch, Mapping) and "image" in batch:
        return _images_and_rest_of_mapping(batch, model)
    if not isinstance(batch, tuple | list) or not batch:
        return batch, []
    nested = not isinstance(batch[0], torch.Tensor)
    taken = 1 if nested else max(1, len(required_arguments(model)))
    images, rest = batch[:taken], list(batch[taken:])
    if rest and _is_image(rest[0]):
        return batch, []  # several images, for a model that unpacks them itself
    return (images[0] if taken == 1 else images), rest


def _images_and_rest_of_mapping(
    batch: Mapping[str, Any], model: nn.Module
) -> tuple[Images, list[Any]]:
    if "label" in batch:
        required = required_arguments(model)
        several = len(required) > 1 and batch.keys() >= set(required)
        images = {name: batch[name] for name in required} if several else batch["image"]
        return images, [batch["label"]]
    if all(isinstance(item, torch.Tensor) for item in batch.values()):
        return batch, []
    return (batch if unpacks(model, batch) else batch["image"]), []


def _is_image(item: Any) -> bool:
    return isinstance(item, torch.Tensor) and item.ndim > 2
