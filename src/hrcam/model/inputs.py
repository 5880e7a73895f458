"""Check images, labels, groups and classes before anything runs."""

import warnings
from collections.abc import Sequence
from operator import index
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from hrcam.errors import FitError, HRCAMWarning, InputError
from hrcam.model.call import Images, unpacks
from hrcam.model.tensors import map_tensors, tensors_in


def image_of(images: Images, which: str | int | None = None) -> torch.Tensor:
    """Return the tensor that defines the grid of the maps.

    Parameters
    ----------
    images
        A batch.
    which
        Key or index of the tensor. None for the first of those with the most dimensions.

    Raises
    ------
    InputError
        If there is no tensor of shape (B, C, *spatial) with one to three spatial axes.
    """
    tensors = list(tensors_in(images))
    if not tensors:
        raise InputError(
            f"there is no tensor in the images, a {type(images).__name__}: pass a tensor of shape "
            "(B, C, *spatial), or a tuple or mapping that holds one; torch.from_numpy(images) "
            "makes one of an array"
        )
    first = max(tensors, key=lambda tensor: tensor.ndim)
    image = first if which is None else _item(images, which)
    if not 3 <= image.ndim <= 5:
        raise InputError(
            f"the images have the shape {tuple(image.shape)}: expected (B, C, *spatial), that is "
            "(B, C, H, W) in 2D or (B, C, D, H, W) in 3D; for a single image or a single channel "
            "insert the missing axes, e.g. images[None]"
        )
    return image


def _item(images: Images, which: str | int) -> torch.Tensor:
    try:
        image = None if isinstance(images, torch.Tensor) else images[which]  # type: ignore[index]
    except (KeyError, IndexError, TypeError):
        image = None
    if not isinstance(image, torch.Tensor):
        raise InputError(
            f"the images, a {type(images).__name__}, hold no tensor {which!r}: image= is the key "
            "or the index of the one to map, where the model takes several"
        )
    return image


def grid_of(images: Images, which: str | int | None = None) -> tuple[int, ...]:
    """Return the spatial size of the images, which is that of the maps."""
    return tuple(image_of(images, which).shape[2:])


def warn_of_several_images(images: Images) -> None:
    """Warn if it is not clear which of several images the maps are of.

    Warns
    -----
    HRCAMWarning
        If another tensor has as many dimensions as the first that is mapped.
    """
    image = image_of(images)
    others = [one for one in tensors_in(images) if one is not image and one.ndim == image.ndim]
    if others:
        warnings.warn(
            f"the model takes {1 + len(others)} images, and the maps are of the first, of shape "
            f"{tuple(image.shape)}: pass image=, the key or the index of another, to map that one",
            HRCAMWarning,
            stacklevel=2,
        )


def check_images(images: Images, model: nn.Module) -> None:
    """Check that the images are valid and match the model's type and device.

    Raises
    ------
    InputError
        If a batch is empty, its images differ in size, its type is not floating-point or not
        that of the model, it holds NaN or infinite values, or it is on another device than the
        model.
    """
    if isinstance(images, list) and not unpacks(model, images):
        sizes = sorted({tuple(t.shape) for t in images if isinstance(t, torch.Tensor)})
        if len(sizes) > 1 and len({len(size) for size in sizes}) == 1 and len(sizes[0]) in (3, 4):
            raise InputError(
                f"the images of one batch have different sizes ({sizes[0]} and {sizes[1]}): "
                "resample or pad them to one size, or use batches of one image"
            )
    image = image_of(images)
    if image.shape[0] == 0 or image.numel() == 0:
        raise InputError(f"the batch is empty: its shape is {tuple(image.shape)}")
    if not image.is_floating_point():
        raise InputError(
            f"the images are of type {image.dtype}: convert them to floating point and scale "
            "them as for the model's training, e.g. images.float() / 255"
        )
    devices = {parameter.device for parameter in model.parameters()}
    if len(devices) == 1 and image.device not in devices:
        device = devices.pop()
        raise InputError(
            f"the images are on {image.device} and the model is on {device}: "
            f"move one of them, e.g. images.to({str(device)!r})"
            if device.type != "meta"
            else "the model is on the meta device and has no weights: load them first"
        )
    types = {p.dtype for p in model.parameters() if p.is_floating_point()}
    if (
        len(types) == 1
        and image.dtype not in types
        and not torch.is_autocast_enabled(image.device.type)
    ):
        raise InputError(
            f"the images are of type {image.dtype} and the model's parameters of type "
            f"{next(iter(types))}: convert one of them, e.g. images.to({next(iter(types))})"
        )
    for tensor in tensors_in(images):
        # A sum is finite only if all its terms are: one pass in the usual case.
        if not tensor.is_floating_point() or bool(torch.isfinite(tensor.sum())):
            continue
        bad = ~torch.isfinite(tensor)
        if bool(bad.any()):
            first = int(bad.flatten(1).any(1).nonzero()[0]) if tensor.ndim > 1 else 0
            raise InputError(
                f"the images hold {int(bad.sum())} NaN or infinite values, the first in image "
                f"{first} of the batch: repair or leave out such images, since a single such voxel "
                "makes the whole map invalid"
            )


def to_device_of(model: nn.Module, images: Images) -> Images:
    """Move a batch to the device of the model's parameters."""
    parameter = next(model.parameters(), None)
    if parameter is None or parameter.device.type == "meta":
        return images
    moved: Images = map_tensors(images, lambda tensor: tensor.to(parameter.device))
    return moved


def check_labels(labels: npt.NDArray[Any], groups: npt.NDArray[Any] | None) -> int:
    """Return the number of classes K of labels 0 to K − 1.

    Raises
    ------
    FitError
        If labels are not class indices, if there is only one class, or if a class has no images,
        or only one image or group, which cannot be cross-validated.
    """
    if not np.all(np.equal(np.mod(labels, 1), 0)):
        raise FitError("the labels are not whole numbers: expected class indices 0 to K − 1")
    labels = labels.astype(np.int64)
    present = np.unique(labels)
    if present[0] < 0:
        raise FitError(
            f"the labels are out of range: the smallest is {present[0]}, and class indices start "
            "at 0; leave out images without a label"
        )
    missing = sorted(set(range(int(present[-1]) + 1)) - set(present.tolist()))
    if missing and len(present) > 1:
        raise FitError(
            f"the labels are out of range: the largest is {present[-1]}, but the classes "
            f"{missing[:10]} have no images; number the classes 0 to {len(present) - 1}"
        )
    if len(present) == 1:
        raise FitError(
            f"all {len(labels)} images are of class {present[0]}: a head needs at least two classes"
        )
    for label in present:
        members = labels == label
        units = members.sum() if groups is None else len(np.unique(groups[members]))
        if units < 2:
            kind = "image" if groups is None else "group"
            raise FitError(
                f"class {label} has a single {kind}: at least two are needed to cross-validate"
            )
    return len(present)


def check_groups(groups: Sequence[Any] | npt.NDArray[Any], images: int) -> npt.NDArray[Any]:
    """Return the groups as an array of codes, one per image.

    Raises
    ------
    InputError
        If there is not one group per image, or if one is missing.
    """
    names = np.asarray(groups, dtype=object)
    if names.shape != (images,):
        raise InputError(
            f"the groups have the shape {names.shape} for {images} images: give one name per "
            "image, in the order of the loader"
        )
    missing = sum(name is None or name != name for name in names)  # NaN differs from itself
    if missing:
        raise InputError(
            f"{missing} groups are missing (None or NaN): images without a known group cannot be "
            "kept together; leave them out, or give each a name of its own"
        )
    _, codes = np.unique(names.astype(str), return_inverse=True)
    return codes


def whole_number(value: Any) -> int | None:
    """Return an integer of any type (Python's, NumPy's, a tensor) as an ``int``, else None."""
    try:
        return index(value)
    except TypeError:
        return None


def number_of_refits(bootstrap: Any) -> int:
    """Return how often a head is refitted on resampled subjects.

    Raises
    ------
    InputError
        If it is not 0, or a whole number of at least 2.
    """
    refits = whole_number(bootstrap)
    if refits is None or refits < 0 or refits == 1:
        raise InputError(
            f"bootstrap is {bootstrap!r}: it must be a number of refits, 0 or at least 2"
        )
    return refits


def check_classes(
    classes: int | Sequence[int] | torch.Tensor, images: int, number: int
) -> torch.Tensor:
    """Return the class index of each image, shape (B,).

    Raises
    ------
    InputError
        If a class does not exist, or if there are neither one nor B of them.
    """
    # torch does not take every type of NumPy's scalars.
    if isinstance(classes, np.generic):
        classes = classes.item()
    elif isinstance(classes, list | tuple):
        classes = [one.item() if isinstance(one, np.generic) else one for one in classes]
    try:
        chosen = torch.as_tensor(classes)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            f"the classes are not numbers ({error}): expected class indices"
        ) from error
    if chosen.is_floating_point() or chosen.dtype == torch.bool or chosen.is_complex():
        raise InputError(f"the classes are of type {chosen.dtype}: expected class indices")
    chosen = chosen.long().cpu()
    if chosen.ndim == 0:
        chosen = chosen.expand(images)
    if chosen.shape != (images,):
        raise InputError(
            f"there are {chosen.numel()} classes for {images} images: give one class index for "
            "all of them, or one per image"
        )
    if int(chosen.min()) < 0 or int(chosen.max()) >= number:
        wrong = sorted({int(c) for c in chosen if not 0 <= int(c) < number})
        raise InputError(f"there is no class {wrong[0]}: the classes are 0 to {number - 1}")
    return chosen
