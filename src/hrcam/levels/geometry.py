"""Feature grids: where the positions of a feature map lie in the image.

A convolution with kernel 3, stride 2 and padding 1 is centred on every other voxel, not between
two voxels. Coarse levels of a ResNet that are only scaled up are therefore several voxels off. So
positions are traced through the kernels, strides and paddings of the layers (Araujo, Norris and
Sim, Computing receptive fields of CNNs, Distill 2019, eq. 3 and 4).

An operation that keeps the size is assumed to keep the positions, unless it has a rule here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
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
        Distance from one position to the next, in voxels; while a model is traced, negative along
        an axis that was flipped.
    """

    first: tuple[float, ...]
    step: tuple[float, ...]

    @classmethod
    def half_pixel(cls, size: Sequence[int], grid: Sequence[int]) -> "FeatureGrid":
        """Place each position of a map in the middle of its share of the image."""
        step = tuple(whole / number for number, whole in zip(size, grid, strict=True))
        return cls(tuple((one - 1) / 2 for one in step), step)

    def relative_to(self, other: "FeatureGrid") -> "FeatureGrid":
        """Return the grid in positions of another grid, instead of voxels of the image."""
        axes = list(zip(self.first, self.step, other.first, other.step, strict=True))
        return FeatureGrid(
            tuple((first - origin) / unit for first, _, origin, unit in axes),
            tuple(step / unit for _, step, _, unit in axes),
        )

    def windows(
        self, kernel: Sequence[int], stride: Sequence[int], before: Sequence[int]
    ) -> "FeatureGrid":
        """Return the grid of windows over this one, with padding before the first position."""
        centres = [(size - 1) / 2 - pad for size, pad in zip(kernel, before, strict=True)]
        return self.moved(centres, stride)

    def in_order(self, order: Sequence[int]) -> "FeatureGrid":
        """Return the grid with its axes in another order."""
        return FeatureGrid(
            tuple(self.first[axis] for axis in order), tuple(self.step[axis] for axis in order)
        )

    def ascending(self, size: Sequence[int]) -> "FeatureGrid":
        """Return the grid of a map of a given size once its flipped axes are turned round."""
        axes = list(zip(self.first, self.step, size, strict=True))
        return FeatureGrid(
            tuple(first + min(0.0, step) * (number - 1) for first, step, number in axes),
            tuple(map(abs, self.step)),
        )

    def moved(self, shifts: Sequence[float], ratios: Sequence[float]) -> "FeatureGrid":
        """Return a grid that starts ``shifts`` steps later, with steps ``ratios`` times as long."""
        axes = zip(self.first, self.step, shifts, strict=True)
        return FeatureGrid(
            tuple(first + shift * step for first, step, shift in axes),
            tuple(step * ratio for step, ratio in zip(self.step, ratios, strict=True)),
        )


Options = Mapping[str, Any]
Rule = Callable[[FeatureGrid, torch.Tensor, torch.Tensor, Options], FeatureGrid | None]


@dataclass(frozen=True)
class Traced:
    """What is known of a tensor that was computed from the image.

    Attributes
    ----------
    feature_grid
        Where its positions are centred, along the axes of the image.
    coarsest
        The largest step on the path from the image to it, along each axis.
    axes
        For each axis of the image the axis of the tensor, counted from its end.
    certain
        Whether every operation on the path is known to keep or move positions in this way;
        otherwise, some operation only kept the size.
    """

    feature_grid: FeatureGrid
    coarsest: tuple[float, ...]
    axes: tuple[int, ...]
    certain: bool = True

    @property
    def is_trailing(self) -> bool:
        """Whether the tensor's last axes are those of the image, in any order."""
        return sorted(self.axes) == list(range(-len(self.axes), 0))

    def at(self, feature_grid: FeatureGrid) -> "Traced":
        """Return the same of a tensor on another feature grid."""
        coarsest = tuple(map(max, self.coarsest, map(abs, feature_grid.step)))
        return replace(self, feature_grid=feature_grid, coarsest=coarsest)

    def size(self, tensor: torch.Tensor) -> tuple[int, ...]:
        """Return a tensor's size along the axes of the image; empty if it lacks one."""
        if tensor.ndim <= len(self.axes):
            return ()
        return tuple(tensor.shape[axis] for axis in self.axes)


class FeatureGridTracer(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Trace the feature grids through every operation while active.

    The result of an operation that changes the size and has no rule gets no feature grid.
    """

    supports_higher_order_operators = True

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._known = WeakTensorKeyDictionary()
        # Whether a kernel is on the path from the image, for every tensor that has such a path.
        self._after_kernel = WeakTensorKeyDictionary()
        self._kernel_seen = False

    def begin(self, image: torch.Tensor) -> None:
        """Start from a tensor (B, C, *spatial): the image."""
        axes = image.ndim - 2
        feature_grid = FeatureGrid((0.0,) * axes, (1.0,) * axes)
        self._known[image] = Traced(feature_grid, feature_grid.step, tuple(range(-axes, 0)))
        self._after_kernel[image] = False

    def of(self, tensor: torch.Tensor) -> Traced | None:
        """Return what is known of a tensor; None if its positions could not be followed."""
        found: Traced | None = self._known.get(tensor)  # type: ignore[no-untyped-call]
        return found

    def after_kernel(self, tensor: torch.Tensor) -> bool:
        """Whether a tensor was computed from the image by a convolution or a matrix product."""
        # Tensors that were written into are not recognised: any earlier kernel counts.
        found: bool = self._after_kernel.get(tensor, self._kernel_seen)  # type: ignore[no-untyped-call]
        return found

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run an operation, and record the feature grid of its result."""
        result = func(*args, **(kwargs or {}))
        sources = [one for one in tensors_in(args) if one in self._after_kernel]
        if sources and hasattr(func, "overloadpacket"):
            name = func.overloadpacket.__name__
            names = (argument.name for argument in func._schema.arguments)
            options = dict(zip(names, args, strict=False))
            kernel = name in _KERNELS or any(self._after_kernel[one] for one in sources)
            self._kernel_seen = self._kernel_seen or kernel
            for tensor in tensors_in(result):
                self._after_kernel[tensor] = kernel
                traced = self._after(name, options, sources, tensor)
                if traced is not None:
                    self._known[tensor] = traced
                elif tensor in self._known:  # an operation in place
                    del self._known[tensor]
        return result

    def _after(
        self, name: str, options: Options, sources: Sequence[torch.Tensor], result: torch.Tensor
    ) -> Traced | None:
        known = [one for one in sources if one in self._known]
        if not known:
            return None
        if name not in _RULES and name not in _AXIS_RULES:
            keeps = name in _KEEP_POSITIONS
            # A reshape that leaves the last axes alone keeps their positions.
            reshapes = name in _RESHAPES and all(self._known[one].is_trailing for one in known)
            alike = [
                self._known[one]
                for one in known
                if (keeps or self._known[one].is_trailing)
                and self._known[one].size(one) == self._known[one].size(result)
            ]
            traced = _agreed(alike)
            size = traced.size(result) if traced else ()
            others = (one for one in sources if one not in self._known)
            sure = keeps or reshapes
            if traced and (not sure or any(traced.size(one) == size for one in others)):
                return replace(traced, certain=False)
            return traced
        before: Traced = self._known[known[0]]
        if known[0] is not sources[0]:
            return None
        if name in _AXIS_RULES:
            return _AXIS_RULES[name](before, known[0], options)
        if not before.is_trailing:
            return None
        order = sorted(range(len(before.axes)), key=lambda axis: before.axes[axis])
        found = _RULES[name](before.feature_grid.in_order(order), known[0], result, options)
        back = [order.index(axis) for axis in range(len(order))]
        return None if found is None else before.at(found.in_order(back))


def _agreed(found: Sequence[Traced]) -> Traced | None:
    """Return what is known of a sum or concatenation of several maps.

    If a path through coarser maps is upsampled and joins a path that stayed fine, the fine path
    counts. Paths of equal steps count by their mean, as for a map that is split into every other
    voxel.
    """
    if not found:
        return None
    fine = min(one.coarsest for one in found)
    finest = [one for one in found if one.coarsest == fine]
    grids, axes = [one.feature_grid for one in finest], finest[0].axes
    if any(one.step != grids[0].step for one in grids) or any(one.axes != axes for one in found):
        return None
    firsts = zip(*(one.first for one in grids), strict=True)
    first = tuple(sum(along) / len(grids) for along in firsts)
    certain = all(one.certain for one in finest)
    return Traced(FeatureGrid(first, grids[0].step), fine, axes, certain)


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


def _padding(before: Traced, _source: torch.Tensor, options: Options) -> Traced:
    # Pairs, the last axis first. Axes without a pair are not padded.
    pairs = options.get("pad", options.get("padding", ()))
    added = [pairs[-2 * axis - 2] if -2 * axis <= len(pairs) else 0 for axis in before.axes]
    return before.at(before.feature_grid.moved([-one for one in added], [1] * len(added)))


def _slice(before: Traced, source: torch.Tensor, options: Options) -> Traced:
    dimension = options.get("dim", 0) % source.ndim
    begin, by = options.get("start") or 0, options.get("step", 1)
    along = [axis % source.ndim == dimension for axis in before.axes]
    begin = begin if begin >= 0 else max(0, begin + source.shape[dimension])
    return before.at(
        before.feature_grid.moved(
            [begin if here else 0.0 for here in along], [by if here else 1.0 for here in along]
        )
    )


def _flipped(before: Traced, source: torch.Tensor, options: Options) -> Traced:
    dimensions = [dimension % source.ndim for dimension in options["dims"]]
    along = [axis % source.ndim in dimensions for axis in before.axes]
    axes = list(zip(before.size(source), along, strict=True))
    last = [size - 1.0 if here else 0.0 for size, here in axes]
    return before.at(before.feature_grid.moved(last, [-1.0 if here else 1.0 for _, here in axes]))


def _reordered(before: Traced, source: torch.Tensor, options: Options) -> Traced:
    if "dims" in options:
        order = [dimension % source.ndim for dimension in options["dims"]]
    else:
        order = list(range(source.ndim))
        one, other = options.get("dim0", 0) % source.ndim, options.get("dim1", 1) % source.ndim
        order[one], order[other] = order[other], order[one]
    axes = (order.index(axis % source.ndim) - source.ndim for axis in before.axes)
    return replace(before, axes=tuple(axes))


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
    **dict.fromkeys(
        ("roll", "rot90", "grid_sampler_2d", "grid_sampler_3d", "index_select", "gather"),
        _unplaced,
    ),
}
# Rules for tensors with the image's axes in any place.
_AXIS_RULES: dict[str, Callable[[Traced, torch.Tensor, Options], Traced]] = {
    "slice": _slice,
    "constant_pad_nd": _padding,
    **{f"{kind}_pad{axes}": _padding for kind in ("reflection", "replication") for axes in _ANY},
    "flip": _flipped,
    **dict.fromkeys(("permute", "transpose", "t"), _reordered),
}
# What computes features, rather than moving or scaling the image's values.
_KERNELS = frozenset(("convolution", "mm", "addmm", "bmm", "baddbmm", "linear"))
# Operations on each position by itself, and those that only make room for the result.
_KEEP_POSITIONS = frozenset((
    "abs", "add_", "add", "addcmul_", "addcmul", "alias", "batch_norm", "cat", "celu", "clamp_",
    "clamp", "clamp_max", "clamp_min", "clone", "contiguous", "copy_", "cudnn_batch_norm",
    "detach", "div_", "div", "dropout", "elu_", "elu", "empty_like", "exp", "expand", "full_like",
    "gelu_", "gelu", "hardsigmoid_", "hardsigmoid", "hardswish", "hardswish_", "hardtanh",
    "hardtanh_", "leaky_relu", "leaky_relu_", "lift_fresh", "log", "log_sigmoid_forward",
    "maximum", "minimum", "mish", "mish_", "mul", "mul_", "native_batch_norm",
    "_native_batch_norm_legit", "_native_batch_norm_legit_no_training", "native_dropout",
    "native_group_norm", "native_layer_norm", "neg", "ones_like", "pow", "_prelu_kernel",
    "reciprocal", "relu", "relu_", "rsqrt", "rsub", "sigmoid", "sigmoid_", "silu_", "silu",
    "softplus", "split", "split_with_sizes", "sqrt", "sub", "sub_", "tanh_", "tanh", "threshold_",
    "threshold", "_to_copy", "where", "zeros_like",
))  # fmt: skip
_RESHAPES = frozenset(("view", "_unsafe_view", "reshape", "unsqueeze", "squeeze"))
