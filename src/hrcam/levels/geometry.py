"""Feature grids: where the positions of a feature map lie in the image.

A convolution with kernel 3, stride 2 and padding 1 is centred on every other voxel, not between
two voxels. Coarse levels of a ResNet that are only scaled up are therefore several voxels off. So
positions are traced through the kernels, strides and paddings of the layers (Araujo, Norris and
Sim, Computing receptive fields of CNNs, Distill 2019, eq. 3 and 4).

An operation that keeps the size is assumed to keep the positions, unless it has a rule here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakTensorKeyDictionary

from hrcam.model.tensors import tensors_in


@dataclass(frozen=True)
class FeatureGrid:
    """The centres of a feature map's positions in the image, along each axis.

    Attributes
    ----------
    first
        Centre of the first position, in voxels; the image's first voxel is at 0.
    step
        Distance from one position to the next, in voxels.
    """

    first: tuple[float, ...]
    step: tuple[float, ...]

    def windows(
        self, kernel: Sequence[int], stride: Sequence[int], before: Sequence[int]
    ) -> "FeatureGrid":
        """Return the grid of windows over this one, with padding before the first position."""
        centres = [(size - 1) / 2 - pad for size, pad in zip(kernel, before, strict=True)]
        return self.moved(centres, stride)

    def moved(self, shifts: Sequence[float], ratios: Sequence[float]) -> "FeatureGrid":
        """Return a grid that starts ``shifts`` steps later, with steps ``ratios`` times as long."""
        axes = zip(self.first, self.step, shifts, strict=True)
        return FeatureGrid(
            tuple(first + shift * step for first, step, shift in axes),
            tuple(step * ratio for step, ratio in zip(self.step, ratios, strict=True)),
        )


Options = Mapping[str, Any]
Rule = Callable[[FeatureGrid, torch.Tensor, torch.Tensor, Options], FeatureGrid | None]


class FeatureGridTracer(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Trace the feature grids through every operation while active.

    The result of an operation that changes the size and has no rule gets no feature grid.
    """

    supports_higher_order_operators = True

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._known = WeakTensorKeyDictionary()
        self._axes = 0

    def begin(self, image: torch.Tensor) -> None:
        """Start from a tensor (B, C, *spatial): the image."""
        self._axes = image.ndim - 2
        feature_grid = FeatureGrid((0.0,) * self._axes, (1.0,) * self._axes)
        self._known[image] = _Traced(feature_grid, feature_grid.step)

    def of(self, tensor: torch.Tensor) -> FeatureGrid | None:
        """Return the feature grid of a tensor (B, C, *spatial), or None if it is unknown."""
        found: _Traced | None = self._known.get(tensor)  # type: ignore[no-untyped-call]
        return None if found is None else found.feature_grid

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run an operation, and record the feature grid of its result."""
        result = func(*args, **(kwargs or {}))
        sources = [one for one in tensors_in(args) if one in self._known]
        if sources and self._axes and hasattr(func, "overloadpacket"):
            name = func.overloadpacket.__name__
            names = (argument.name for argument in func._schema.arguments)
            options = dict(zip(names, args, strict=False))
            for tensor in tensors_in(result):
                traced = self._after(name, options, sources, tensor)
                if traced is not None:
                    self._known[tensor] = traced
        return result

    def _after(
        self, name: str, options: Options, sources: Sequence[torch.Tensor], result: torch.Tensor
    ) -> "_Traced | None":
        size = _size(result, self._axes)
        if name not in _RULES:
            alike = [self._known[one] for one in sources if _size(one, self._axes) == size]
            return _agreed(alike)
        source = sources[0]
        before = self._known[source]
        feature_grid = _RULES[name](before.feature_grid, source, result, options)
        if feature_grid is None:
            return None
        coarsest = map(max, before.coarsest, feature_grid.step)
        return _Traced(feature_grid, tuple(coarsest))


@dataclass(frozen=True)
class _Traced:
    """A feature grid, and the largest step on the path from the image to it."""

    feature_grid: FeatureGrid
    coarsest: tuple[float, ...]


def _agreed(found: Sequence[_Traced]) -> _Traced | None:
    """Return the feature grid of a sum or concatenation of several maps.

    If a path through coarser maps is upsampled and joins a path that stayed fine, the fine path
    counts. Paths of equal steps count by their mean, as for a map that is split into every other
    voxel.
    """
    if not found:
        return None
    fine = min(one.coarsest for one in found)
    finest = [one.feature_grid for one in found if one.coarsest == fine]
    if any(one.step != finest[0].step for one in finest):
        return None
    firsts = zip(*(one.first for one in finest), strict=True)
    first = tuple(sum(along) / len(finest) for along in firsts)
    return _Traced(FeatureGrid(first, finest[0].step), fine)


def _size(tensor: torch.Tensor, axes: int) -> tuple[int, ...]:
    """Return the size of the last axes of a tensor, the spatial ones."""
    return tuple(tensor.shape[-axes:]) if tensor.ndim > axes else ()


def _convolution(
    feature_grid: FeatureGrid, _source: torch.Tensor, _result: torch.Tensor, options: Options
) -> FeatureGrid | None:
    axes = len(feature_grid.step)
    stride, padding = _each(options["stride"], axes), _each(options["padding"], axes)
    kernel = _span(options["weight"].shape[2:], _each(options["dilation"], axes))
    if len(kernel) != axes:
        return None
    if not options["transposed"]:
        return feature_grid.windows(kernel, stride, padding)
    # Each position writes a window on the finer grid, and the padding is cut off.
    fine = [1 / by for by in stride]
    cut = [
        (pad - (width - 1) / 2) * by for pad, width, by in zip(padding, kernel, fine, strict=True)
    ]
    return feature_grid.moved(cut, fine)


def _pooling(
    feature_grid: FeatureGrid, _source: torch.Tensor, _result: torch.Tensor, options: Options
) -> FeatureGrid:
    axes = len(feature_grid.step)
    size = _each(options["kernel_size"], axes)
    kernel = _span(size, _each(options.get("dilation", 1), axes))
    stride = _each(options.get("stride") or size, axes)
    return feature_grid.windows(kernel, stride, _each(options.get("padding", 0), axes))


def _padding(
    feature_grid: FeatureGrid, _source: torch.Tensor, _result: torch.Tensor, options: Options
) -> FeatureGrid:
    # Pairs, the last axis first. Axes without a pair are not padded; extra pairs are not spatial.
    pairs = options.get("pad", options.get("padding", ()))
    before = [*pairs[::2], *[0] * len(feature_grid.step)][: len(feature_grid.step)][::-1]
    ones = [1] * len(before)
    return feature_grid.windows(ones, ones, before)


def _slice(
    feature_grid: FeatureGrid, source: torch.Tensor, _result: torch.Tensor, options: Options
) -> FeatureGrid:
    dimension = options.get("dim", 0) % source.ndim
    begin, by = options.get("start") or 0, options.get("step", 1)
    axis = dimension - (source.ndim - len(feature_grid.step))
    if axis < 0:
        return feature_grid
    shifts, ratios = [0.0] * len(feature_grid.step), [1.0] * len(feature_grid.step)
    shifts[axis] = begin if begin >= 0 else max(0, begin + source.shape[dimension])
    ratios[axis] = by
    return feature_grid.moved(shifts, ratios)


def _reordered(
    feature_grid: FeatureGrid, source: torch.Tensor, _result: torch.Tensor, options: Options
) -> FeatureGrid | None:
    kept = source.ndim - len(feature_grid.step)
    if "dims" in options:
        order = [dimension % source.ndim for dimension in options["dims"]]
    else:
        order = list(range(source.ndim))
        one, other = options.get("dim0", 0) % source.ndim, options.get("dim1", 1) % source.ndim
        order[one], order[other] = order[other], order[one]
    return feature_grid if order[kept:] == list(range(kept, source.ndim)) else None


def _unplaced(
    _feature_grid: FeatureGrid, _source: torch.Tensor, _result: torch.Tensor, _options: Options
) -> None:
    return None


def _scaled(
    feature_grid: FeatureGrid, source: torch.Tensor, result: torch.Tensor, options: Options
) -> FeatureGrid:
    """Interpolate, or pool adaptively."""
    old, new = (_size(one, len(feature_grid.step)) for one in (source, result))
    if options.get("align_corners"):
        ratios = [(a - 1) / max(1, b - 1) for a, b in zip(old, new, strict=True)]
        return feature_grid.moved([0.0] * len(ratios), ratios)
    ratios = [a / b for a, b in zip(old, new, strict=True)]
    return feature_grid.moved([(ratio - 1) / 2 for ratio in ratios], ratios)


def _nearest(begin: Fraction) -> Rule:
    """Return the rule of nearest interpolation: place i reads position ⌊(i + begin) · ratio⌋."""

    def rule(
        feature_grid: FeatureGrid, source: torch.Tensor, result: torch.Tensor, _options: Options
    ) -> FeatureGrid:
        old, new = (_size(one, len(feature_grid.step)) for one in (source, result))
        ratios = [Fraction(a, b) for a, b in zip(old, new, strict=True)]
        # The offsets repeat with the period of the denominator: take their mean.
        behind = [
            sum(floor((place + begin) * one) - place * one for place in range(one.denominator))
            / one.denominator
            for one in ratios
        ]
        return feature_grid.moved([float(one) for one in behind], [float(one) for one in ratios])

    return rule


def _each(values: int | Sequence[int], axes: int) -> Sequence[int]:
    """Return one value for each spatial axis."""
    values = [values] if isinstance(values, int) else values
    return [*values] * axes if len(values) == 1 else values[-axes:]


def _span(kernel: Sequence[int], dilation: Sequence[int]) -> list[int]:
    return [(size - 1) * by + 1 for size, by in zip(kernel, dilation, strict=True)]


_2D_3D, _ANY = ("2d", "3d"), ("1d", "2d", "3d")
_RULES: dict[str, Rule] = {
    "convolution": _convolution,
    "slice": _slice,
    "constant_pad_nd": _padding,
    **{f"{kind}_pad{axes}": _padding for kind in ("reflection", "replication") for axes in _ANY},
    **{f"avg_pool{axes}": _pooling for axes in _2D_3D},
    **{f"max_pool{axes}_with_indices": _pooling for axes in _2D_3D},
    **{f"_adaptive_avg_pool{axes}": _scaled for axes in _2D_3D},
    **{f"adaptive_max_pool{axes}": _scaled for axes in _2D_3D},
    **{f"upsample_nearest{axes}": _nearest(Fraction(0)) for axes in _ANY},
    **{f"_upsample_nearest_exact{axes}": _nearest(Fraction(1, 2)) for axes in _ANY},
    **dict.fromkeys(
        (
            *("upsample_linear1d", "upsample_bilinear2d", "upsample_bicubic2d"),
            *("upsample_trilinear3d", "_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa"),
        ),
        _scaled,
    ),
    **dict.fromkeys(("permute", "transpose", "t"), _reordered),
    **dict.fromkeys(
        ("flip", "roll", "rot90", "grid_sampler_2d", "grid_sampler_3d", "index_select", "gather"),
        _unplaced,
    ),
}
