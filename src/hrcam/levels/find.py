"""Find the levels: the last feature map of each resolution between a model's input and output."""

import difflib
from collections import Counter
from collections.abc import Iterable, Sequence
from math import prod
from typing import Any

import torch
from torch import nn

from hrcam.errors import LevelError
from hrcam.levels.dry_run import RecordedMap, dry_run
from hrcam.levels.level import Level, Levels
from hrcam.model.call import Images
from hrcam.model.inputs import check_images
from hrcam.model.wrappers import unwrapped, without_wrappers

# Sizes within this ratio on every axis are one resolution: convolutions without padding lose a
# few voxels, a stride of two halves the size.
SAME_RESOLUTION = 1.5


def find_levels(
    model: nn.Module,
    images: Images,
    names: Sequence[str] | None = None,
    output: str | int | None = None,
) -> Levels:
    """Find the last feature map of each resolution, by one dry run on the first image.

    A map counts if it has as many spatial axes as the image and more than one position, if at
    least one convolution ran before it, and if the output depends on it. Maps of nearly the same
    size (convolutions without padding) count as one resolution.

    Parameters
    ----------
    model
        Any module from images to an output; left as it was. A compiled or parallel model is read
        without its wrapper.
    images
        A batch that the model takes; its first image is used.
    names
        Names of modules, or of levels as printed, to read instead.
    output
        Key or index of the logits, where the model returns several things.

    Returns
    -------
    Levels from the coarsest to the finest.

    Raises
    ------
    LevelError
        If the model has no spatial feature map, or none of a given name.
    InputError
        If the images cannot be used.
    """
    check_images(images, model)
    if names is not None and not isinstance(names, str):
        names = [without_wrappers(name, model) for name in names]
    model = unwrapped(model)
    image, seen = dry_run(model, images, output)
    if names is not None:
        if isinstance(names, str) or not names:
            raise LevelError("levels must be 'auto' or a list of at least one module name")
        chosen = [_named(model, name, seen) for name in dict.fromkeys(names)]
    else:
        chosen = _last_of_each_resolution(image, seen)
    runs = _runs(seen)
    levels = [_level(one, image, runs) for one in chosen]
    return Levels(sorted(levels, key=lambda level: prod(level.size)))


def _last_of_each_resolution(image: torch.Tensor, seen: list[RecordedMap]) -> list[RecordedMap]:
    # Padded copies of a map are not levels.
    maps = [
        one
        for one in seen
        if one.after_kernel and prod(one.size) > 1 and "Pad" not in type(one.node).__name__
    ]
    sizes = {one.size for one in maps}
    maps = [one for one in maps if not _channels_last(one, sizes, tuple(image.shape[2:]))]
    if not maps:
        shown = "\n".join(f"  {one.module or 'model'}: {one.shape}" for one in seen[:20])
        raise LevelError(
            f"the model has no feature map with {image.ndim - 2} spatial axes between its input "
            "and its output, and HR-CAM needs a convolutional network; "
            + (f"maps found:\n{shown}" if shown else "no such tensor was found at all")
        )
    # The most frequent size represents a resolution; of equally frequent ones, the later.
    count = Counter(one.size for one in maps)
    order = {one.size: index for index, one in enumerate(maps)}
    resolutions: list[tuple[int, ...]] = []
    for size in sorted(count, key=lambda size: (count[size], order[size]), reverse=True):
        if not any(_same_resolution(size, other) for other in resolutions):
            resolutions.append(size)
    # A map that later modules only pass on is named after the module that computed it, or after
    # the outermost parent that returns it.
    makers: dict[tuple[int, Any], RecordedMap] = {}
    for one in maps:
        maker = makers.setdefault((one.tensor, one.node), one)
        if maker.module.startswith(f"{one.module}.") and not one.at_input:
            makers[one.tensor, one.node] = one
    last = {one.size: makers[one.tensor, one.node] for one in maps if one.size in resolutions}
    return list(last.values())


def _same_resolution(size: Sequence[int], other: Sequence[int]) -> bool:
    return all(max(a, b) < SAME_RESOLUTION * min(a, b) for a, b in zip(size, other, strict=True))


def _channels_last(one: RecordedMap, sizes: set[tuple[int, ...]], grid: tuple[int, ...]) -> bool:
    """Whether a map's shape reads as (B, *spatial, C), as inside a ConvNeXt block.

    It does if its middle axes are a resolution that other maps have, and keep the image's
    proportions better than its last axes do.
    """
    middle = one.shape[1:-1]
    return middle in sizes and _distortion(middle, grid) < _distortion(one.size, grid)


def _distortion(size: Sequence[int], grid: Sequence[int]) -> float:
    strides = [whole / part for whole, part in zip(grid, size, strict=True)]
    return max(strides) / min(strides)


def _runs(seen: Iterable[RecordedMap]) -> dict[tuple[str, bool], int]:
    runs: dict[tuple[str, bool], int] = {}
    for one in seen:
        key = (one.module, one.at_input)
        runs[key] = max(runs.get(key, 0), one.run + 1)
    return runs


def _name(one: RecordedMap, runs: dict[tuple[str, bool], int]) -> str:
    name = one.module + (":input" if one.at_input else "")
    if runs[one.module, one.at_input] > 1:
        name += f"#{one.run + 1}"
    if one.items > 1:
        name += f"[{one.item}]"
    return name


def _level(one: RecordedMap, image: torch.Tensor, runs: dict[tuple[str, bool], int]) -> Level:
    stride = tuple(whole / part for whole, part in zip(image.shape[2:], one.size, strict=True))
    name = _name(one, runs)
    return Level(
        name,
        one.module,
        one.shape[1],
        one.size,
        stride,
        one.at_input,
        one.run,
        one.item,
        one.feature_grid,
    )


def _named(model: nn.Module, name: str, seen: list[RecordedMap]) -> RecordedMap:
    runs = _runs(seen)
    exact = [one for one in seen if _name(one, runs) == name]
    last = [one for one in seen if one.module == name and not one.at_input]
    if exact or last:
        return (exact or last)[-1]
    modules = [module for module, _ in model.named_modules() if module]
    if name in modules:
        raise LevelError(
            f"the module {name!r} returns no feature map between the input and the output: "
            "find_levels(model, images) prints those that do"
        )
    close = difflib.get_close_matches(name, modules, n=3)
    raise LevelError(
        f"the model has no module {name!r}: "
        + (f"did you mean {', '.join(map(repr, close))}?" if close else "")
        + (" " if close else "")
        + "model.named_modules() lists them all"
    )
