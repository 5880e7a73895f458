"""Run a model and reduce each level's feature map inside its hook."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import prod
from typing import Any, TypeVar

import torch
from torch import nn

from hrcam.errors import LevelError
from hrcam.levels.layout import Layout
from hrcam.levels.level import Level
from hrcam.model.call import Images, call_model
from hrcam.model.hooks import evaluation_mode, observed
from hrcam.model.kinds import check_readable
from hrcam.model.tensors import map_tensors, tensors_in
from hrcam.model.wrappers import unwrapped

T = TypeVar("T")


def capture(
    model: nn.Module,
    images: Images,
    levels: Sequence[Level],
    reduce: Callable[[int, torch.Tensor], T],
) -> tuple[Any, list[T]]:
    """Run the model once in evaluation mode, and pass each level's map to ``reduce``.

    ``reduce(index, feature_map)`` runs inside the hook. So no feature map outlives its layer, and
    later in-place operations of the model do not change what was read.

    Parameters
    ----------
    model
        Any module; left exactly as it was, also when it raises.
    images
        A batch that the model takes.
    levels
        Where to read.
    reduce
        Returns what to keep of a map of shape (B, C_l, *S_l).

    Returns
    -------
    The model's output, and the result of ``reduce`` for each level.

    Raises
    ------
    LevelError
        If a level is not reached, or has another number of channels.
    """
    kept: dict[int, T] = {}

    def read(index: int, feature_map: torch.Tensor) -> None:
        # The caller's autocast is meant for the model: sums over a map need single precision.
        # Tensor subclasses (MONAI's MetaTensor) carry the image's geometry, not the level's.
        plain = feature_map.detach().as_subclass(torch.Tensor)
        with torch.autocast(feature_map.device.type, enabled=False):
            kept[index] = reduce(index, plain)

    output = _run(model, images, levels, read)
    return output, [kept[index] for index in range(len(levels))]


def capture_for_gradients(
    model: nn.Module, images: Images, levels: Sequence[Level]
) -> tuple[Any, list[torch.Tensor]]:
    """Run the model once in evaluation mode with gradients, and keep each level's map.

    The maps are part of the output's graph. The model continues with a copy of each, so later
    in-place operations change neither a map nor its gradient. It works with frozen parameters,
    under ``no_grad`` and in inference mode, and changes no parameter.

    Returns
    -------
    The model's output, and the feature maps, each of shape (B, C_l, *S_l).
    """
    maps: dict[int, torch.Tensor] = {}

    def read(index: int, feature_map: torch.Tensor) -> torch.Tensor:
        maps[index] = feature_map
        return feature_map.clone()

    def leaf(tensor: torch.Tensor) -> torch.Tensor:
        copy = tensor.detach().clone()
        # If the input requires gradients, so does every map. The second copy is not a leaf, so
        # that the model may write into its input.
        return copy.requires_grad_().clone() if copy.is_floating_point() else copy

    with torch.inference_mode(False), torch.enable_grad():
        output = _run(model, map_tensors(images, leaf), levels, read)
    return output, [maps[index] for index in range(len(levels))]


def _run(
    model: nn.Module,
    images: Images,
    levels: Sequence[Level],
    read: Callable[[int, torch.Tensor], torch.Tensor | None],
) -> Any:
    network = unwrapped(model)
    check_readable(network)
    with evaluation_mode(network), reading(network, levels, read):
        return call_model(network, images)


@contextmanager
def reading(
    model: nn.Module,
    levels: Sequence[Level],
    read: Callable[[int, torch.Tensor], torch.Tensor | None],
) -> Iterator[None]:
    """Pass each level's map to ``read(index, feature_map)`` while the model runs once inside.

    If ``read`` returns a tensor, the model continues with it instead of the map.

    Raises
    ------
    LevelError
        If a level does not exist, is not reached, or has another number of channels.
    """
    wanted: dict[str, list[int]] = {}
    for index, level in enumerate(levels):
        wanted.setdefault(_key(level), []).append(index)
    reached: set[int] = set()

    def observe(name: str, run: int, value: Any) -> Any:
        indices = [index for index in wanted[name] if levels[index].run == run]
        if not indices:
            return None
        tensors = list(tensors_in(value))
        replaced: dict[int, torch.Tensor] = {}
        for index in indices:
            level = levels[index]
            tensor = _checked(level, tensors)
            reached.add(index)
            other = read(index, level.feature_map(tensor))
            if other is not None:
                put_back = None if level.layout is None else level.layout.put_back
                replaced[level.item] = other if put_back is None else put_back(other, tensor)
        if not replaced:
            return None
        items = iter(range(len(tensors)))
        return map_tensors(value, lambda tensor: replaced.get(next(items), tensor))

    try:
        modules = {level.name: model.get_submodule(level.module) for level in levels}
    except AttributeError as error:
        raise LevelError(f"the model has no such module: {error}") from error
    outputs = {level.module: modules[level.name] for level in levels if not level.at_input}
    inputs = {level.module: modules[level.name] for level in levels if level.at_input}
    with observed(outputs, inputs, observe):
        yield
    for index, level in enumerate(levels):
        if index not in reached:
            raise LevelError(
                f"the level {level.name!r} was not reached: the model did not run "
                f"{level.module!r} {level.run + 1} times on this batch; name levels that it "
                "always runs"
            )


def _key(level: Level) -> str:
    return f"{level.module}:input" if level.at_input else level.module


def _checked(level: Level, tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    shape = tuple(tensors[level.item].shape) if level.item < len(tensors) else None
    layout = level.layout or Layout(tuple(range(len(level.size) + 2)))
    if shape is None or not layout.takes(shape) or layout.map_shape(shape)[1] != level.channels:
        tokens = f", as {layout.prefix} + {prod(level.size)} tokens" if layout.grid else ""
        raise LevelError(
            f"the level {level.name!r} had {level.channels} channels and {len(level.size)} "
            f"spatial axes{tokens}, and now gives {'nothing' if shape is None else shape}: "
            "pass the model that was fitted, and images with as many axes"
            + (" and of the same size" if tokens else "")
        )
    return tensors[level.item]
