"""A 2D network over the slices of a volume: what is often done instead of a 3D network."""

from typing import Any, ClassVar

import torch

from hrcam.baselines.interface import (
    Baseline,
    Classes,
    explained_classes,
    finite_logits,
)
from hrcam.errors import InputError
from hrcam.levels import Levels
from hrcam.model.call import Images, call_model
from hrcam.model.hooks import evaluation_mode
from hrcam.model.inputs import image_of
from hrcam.model.tensors import at_least_single, map_tensors


class SliceBySlice(Baseline):
    """Maps of volumes from a 2D network: a 2D method on every slice along one axis, stacked.

    The class of a volume, where none is given, is that with the largest mean logit over its slices.
    All slices of a volume are explained for one class.

    Parameters
    ----------
    method
        A method on the 2D network, e.g. ``LayerCAM(network, levels=["layer3"])``.
    axis
        The spatial axis along which volumes are cut: 0, 1 or 2.
    batch_size
        Number of slices that run at once.

    Raises
    ------
    InputError
        If there is no such axis, or if the batch size is not positive.
    """

    name: ClassVar[str] = "slice by slice"

    def __init__(self, method: Baseline, axis: int = 0, batch_size: int = 32) -> None:
        super().__init__(method.model, output=method._output, image=method._image)
        if axis not in (0, 1, 2):
            raise InputError(
                f"axis is {axis}: it must be 0, 1 or 2, a spatial axis of volumes (B, C, D, H, W)"
            )
        if batch_size < 1:
            raise InputError(f"batch_size is {batch_size}: it must be 1 or more")
        self.fuses_levels = method.fuses_levels
        self._method = method
        self._axis = axis
        self._batch_size = batch_size

    def _find_levels(self, images: Images) -> Levels:
        self._method._find(self._batches(images)[0])
        return self._method.levels

    def _maps(self, images: Images, classes: Classes) -> dict[str, torch.Tensor]:
        volumes = len(image_of(images, self._image))
        batches = self._batches(images)
        logits = torch.cat([self._logits(batch) for batch in batches])
        logits = logits.reshape(volumes, -1, logits.shape[1])
        chosen = explained_classes(logits.mean(1), classes).repeat_interleave(logits.shape[1])
        parts: dict[str, list[torch.Tensor]] = {}
        for batch, some in zip(batches, torch.split(chosen, self._batch_size), strict=True):
            for name, maps in self._method.by_level(batch, some).items():
                parts.setdefault(name, []).append(maps)
        stacked = {name: torch.cat(maps) for name, maps in parts.items()}
        return {
            name: maps.reshape(volumes, -1, *maps.shape[1:]).movedim(1, 1 + self._axis)
            for name, maps in stacked.items()
        }

    def _batches(self, images: Images) -> list[Any]:
        """Return the slices of all volumes, volume by volume, in batches."""
        volume = image_of(images, self._image)
        if volume.ndim != 5:
            raise InputError(
                f"the images have the shape {tuple(volume.shape)}: slices are those of volumes, "
                "(B, C, D, H, W); call the method itself on 2D images"
            )
        number = volume.shape[2 + self._axis]

        def cut(tensor: torch.Tensor) -> torch.Tensor:
            if tensor.shape[2:] == volume.shape[2:]:
                return tensor.movedim(2 + self._axis, 1).flatten(0, 1)
            # Other inputs, such as an age, are those of every slice.
            return tensor.repeat_interleave(number, 0)

        slices = map_tensors(images, cut)

        def batch(start: int) -> Any:
            def part(tensor: torch.Tensor) -> torch.Tensor:
                return tensor[start : start + self._batch_size]

            return map_tensors(slices, part)

        return [batch(start) for start in range(0, len(volume) * number, self._batch_size)]

    def _logits(self, batch: Images) -> torch.Tensor:
        with evaluation_mode(self.model):
            output = call_model(self.model, batch)
        return at_least_single(finite_logits(output, self._output))
