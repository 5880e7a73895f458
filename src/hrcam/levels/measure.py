"""Measure where the positions of a feature map lie in the image, by gradients.

The gradient of what is computed at one position, with respect to the image, shows where in the
image it comes from. So the centres of gravity for a few positions tell which axis of the map is
which axis of the image, its direction, and where the map begins; and they tell tensors that have
the shape of a feature map, such as attention matrices, from feature maps.
"""

import itertools
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from hrcam.errors import InputError
from hrcam.levels.dry_run import RecordedMap, first_image
from hrcam.levels.geometry import FeatureGrid
from hrcam.levels.layout import Layout
from hrcam.model.call import Images, call_model, logits_of
from hrcam.model.hooks import evaluation_mode, observed
from hrcam.model.tensors import map_tensors, tensors_in
from hrcam.model.unchanged import frozen

# A position moves by its stride, less where its receptive field is cut off by the border.
_LEAST_MOTION = 0.1
# What would turn or flip the map has to be beyond any noise.
_LEAST_MOTION_TURNED = 0.5
# Along its own axis of the image it moves this many times as far as along the others.
_CLEAR = 2.5
# Offsets below this share of a stride are within the error of the measurement.
_OFFSET = 0.25


@dataclass(frozen=True)
class Measured:
    """The result of a measurement.

    Attributes
    ----------
    layout
        The layout with its axes in the order and direction of the image; None if the tensor is
        no feature map.
    feature_grid
        Where its positions lie; None for half-pixel centres.
    reason
        Why it is no feature map.
    """

    layout: Layout | None
    feature_grid: FeatureGrid | None = None
    reason: str = ""


class GradientRun:
    """A run of the first image with gradients, which keeps the tensors to measure.

    Parameters
    ----------
    model
        Any module; left as it was.
    images
        A batch that the model takes.
    image
        The tensor of it that is mapped.
    records
        What to keep.
    output
        Key or index of the logits, where the model returns several things.
    """

    def __init__(
        self,
        model: nn.Module,
        images: Images,
        image: torch.Tensor,
        records: Iterable[RecordedMap],
        output: str | int | None,
    ) -> None:
        self._tensors: dict[Any, torch.Tensor] = {}
        keys = {one.key for one in records}
        inputs = {name: model.get_submodule(name) for name, at_input, *_ in keys if at_input}
        outputs = {name: model.get_submodule(name) for name, at_input, *_ in keys if not at_input}

        def observe(name: str, run: int, value: Any) -> Any:
            module, at_input = name.removesuffix(":input"), name.endswith(":input")
            items = itertools.count()

            def keep(tensor: torch.Tensor) -> torch.Tensor:
                key = (module, at_input, run, next(items))
                if key not in keys:
                    return tensor
                self._tensors[key] = tensor
                # The model may write into what it goes on with.
                return tensor.clone()

            return map_tensors(value, keep)

        with (
            torch.inference_mode(False),
            torch.enable_grad(),
            evaluation_mode(model),
            frozen(model),
            observed(outputs, inputs, observe),
        ):
            first, _, self._image = first_image(images, image, noise=True)
            returned = call_model(model, first)
            with suppress(InputError):
                returned = logits_of(returned, output)
            self._outputs = [one for one in tensors_in(returned) if one.requires_grad]

    def has_influence(self, record: RecordedMap, layout: Layout) -> bool:
        """Whether the output depends on the positions of a recorded tensor.

        True also if that is not known, as in a new network whose last layer is zero.
        """
        tensor = self._tensors.get(record.key)
        if tensor is None or not tensor.requires_grad or not self._depends_on_image:
            return True
        gradient = self._gradient_of_output(tensor)
        return gradient is not None and bool(layout.feature_map(gradient).any())

    @cached_property
    def _depends_on_image(self) -> bool:
        try:
            gradient = self._gradient_of_output(self._image)
        except RuntimeError:
            return False
        return gradient is not None and bool(gradient.any())

    def _gradient_of_output(self, tensor: torch.Tensor) -> torch.Tensor | None:
        if not self._outputs:
            return None
        generator = torch.Generator().manual_seed(0)
        directions = [torch.randn(one.shape, generator=generator).to(one) for one in self._outputs]
        with torch.inference_mode(False), torch.enable_grad():
            found: torch.Tensor | None = torch.autograd.grad(
                self._outputs, tensor, directions, retain_graph=True, allow_unused=True
            )[0]
        return found

    def measure(self, record: RecordedMap, layout: Layout) -> Measured | None:
        """Measure a recorded tensor, as a feature map of a given layout.

        Returns
        -------
        None if the model has no gradient there.
        """
        tensor = self._tensors.get(record.key)
        if tensor is None or not tensor.requires_grad:
            return None
        try:
            with torch.inference_mode(False), torch.enable_grad():
                return measure(tensor, self._image, layout)
        except torch.cuda.OutOfMemoryError:
            raise
        except RuntimeError:
            return None


def measure(tensor: torch.Tensor, image: torch.Tensor, layout: Layout) -> Measured:
    """Measure the positions of one feature map.

    Parameters
    ----------
    tensor
        What the module took or returned for a single image, in the graph of the image.
    image
        The image, shape (1, C, *spatial).
    layout
        How the tensor might become a feature map.

    Raises
    ------
    RuntimeError
        If the model has no gradient.
    """
    feature_map = layout.feature_map(tensor)
    size, grid = tuple(feature_map.shape[2:]), tuple(image.shape[2:])
    low = [(one - 1) // 4 for one in size]
    high = [one - 1 - begin for one, begin in zip(size, low, strict=True)]
    places = [low] + [
        [high[axis] if axis == moved else low[axis] for axis in range(len(size))]
        for moved in range(len(size))
    ]
    generator = torch.Generator().manual_seed(0)
    direction = torch.randn(feature_map.shape[1], generator=generator).to(feature_map)
    centres = np.zeros((len(places), len(grid)))
    for index, place in enumerate(places):
        if index and place == low:
            centres[index] = centres[0]
            continue
        value = (
            feature_map[0].flatten(1)[:, int(np.ravel_multi_index(place, size))] * direction
        ).sum()
        (gradient,) = torch.autograd.grad(value, image, retain_graph=True, allow_unused=True)
        if gradient is None or not bool(gradient.any()):
            return Measured(None, reason="its positions do not depend on the image")
        centres[index] = _centre(gradient[0])
    return _judged(layout, centres, size, grid)


def _judged(
    layout: Layout, centres: npt.NDArray[np.float64], size: Sequence[int], grid: Sequence[int]
) -> Measured:
    """Judge by the centres of gravity of the first place, and of one moved along each axis."""
    axes = range(len(size))
    several = [axis for axis in axes if size[axis] > 1]
    travelled = [max(1, one - 1 - 2 * ((one - 1) // 4)) for one in size]
    moved = (centres[1:] - centres[0]) / np.array(travelled)[:, None]
    # The share of a whole stride that a step along an axis of the map goes along each of the image.
    share = moved * np.array(size)[:, None] / np.array(grid)[None]
    orders = [
        one for one in permutations(axes) if all(one[a] == a or one[a] in several for a in axes)
    ]
    distance = np.abs(share)
    order = max(orders, key=lambda one: sum(distance[one[a], a] for a in axes if one[a] in several))
    for axis in axes:
        if order[axis] not in several:
            continue
        along = distance[order[axis]]
        others = np.delete(along, axis)
        if along[axis] < _LEAST_MOTION or any(along[axis] < _CLEAR * others):
            reason = f"its axis of {size[order[axis]]} follows no single axis of the image"
            return Measured(None, reason=reason)
    against = [order[axis] in several and share[order[axis], axis] < 0 for axis in axes]
    turned = [axis for axis in axes if order[axis] != axis or against[axis]]
    if any(distance[order[axis], axis] < _LEAST_MOTION_TURNED for axis in turned):
        return Measured(None, reason="its axes follow those of the image in no clear order")
    found = layout.along_image(order, against)
    steps = [grid[axis] / size[order[axis]] for axis in axes]
    offsets = [
        float(centres[0, axis] + centres[1 + order[axis], axis] - (grid[axis] - 1)) / 2
        if order[axis] in several
        else 0.0
        for axis in axes
    ]
    if all(abs(off) <= _OFFSET * step for off, step in zip(offsets, steps, strict=True)):
        return Measured(found)
    firsts = [(step - 1) / 2 + off for step, off in zip(steps, offsets, strict=True)]
    return Measured(found, FeatureGrid(tuple(firsts), tuple(steps)))


def _centre(gradient: torch.Tensor) -> npt.NDArray[np.float64]:
    """Return the centre of gravity of a gradient (C, *spatial) along each spatial axis."""
    # Squares are less sensitive than absolute values to what reaches every position.
    weight = (gradient.double().square().sum(0) / gradient.double().square().sum()).cpu().numpy()
    places = np.indices(weight.shape).reshape(weight.ndim, -1)
    return np.asarray(places @ weight.ravel())
