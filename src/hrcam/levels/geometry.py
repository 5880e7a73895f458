"""Where the positions of a feature map lie in the image, by the arithmetic of the layers before it.

A convolution with a kernel of 3, a stride of 2 and padding on both sides is centred on every other
voxel, not between two of them: the coarse levels of a ResNet, merely scaled up, are drawn several
voxels beside what they saw. A layer that pads at the end alone is off the other way, one that
pools pairs of voxels not at all. So positions are followed through kernels, strides and padding
(Araujo, Norris and Sim, Computing receptive fields, Distill 2019, eq. 3 and 4).

An operation that keeps the size is taken to keep the positions, unless it is known to move them.
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
class Lattice:
    """Centres of the positions of a map, along each axis.

    Attributes
    ----------
    first
        Of the first position, in voxels of the image, whose first voxel is at 0.
    step
        From one position to the next.
    """

    first: tuple[float, ...]
    step: tuple[float, ...]

    def windows(
        self, kernel: Sequence[int], stride: Sequence[int], before: Sequence[int]
    ) -> "Lattice":
        """Return that of windows over this one, with padding in front of the first position."""
        centres = [(size - 1) / 2 - pad for size, pad in zip(kernel, before, strict=True)]
        return self.moved(centres, stride)

    def moved(self, shifts: Sequence[float], ratios: Sequence[float]) -> "Lattice":
        """Return that which begins some steps further on, and whose steps are so many of these."""
        axes = zip(self.first, self.step, shifts, strict=True)
        return Lattice(
            tuple(first + shift * step for first, step, shift in axes),
            tuple(step * ratio for step, ratio in zip(self.step, ratios, strict=True)),
        )


Options = Mapping[str, Any]
Rule = Callable[[Lattice, torch.Tensor, torch.Tensor, Options], Lattice | None]


class LatticeTracer(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follows positions through every operation while it is active.

    What comes out of an operation that changes the size and has no rule has no lattice.
    """

    supports_higher_order_operators = True

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._known = WeakTensorKeyDictionary()
        self._axes = 0

    def begin(self, image: torch.Tensor) -> None:
        """Take a tensor (B, C, *spatial) as the image."""
        self._axes = image.ndim - 2
        lattice = Lattice((0.0,) * self._axes, (1.0,) * self._axes)
        self._known[image] = _Traced(lattice, lattice.step)

    def of(self, tensor: torch.Tensor) -> Lattice | None:
        """Return the lattice of a tensor (B, C, *spatial), or None where it is not known."""
        found: _Traced | None = self._known.get(tensor)  # type: ignore[no-untyped-call]
        return None if found is None else found.lattice

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run an operation, and note where the positions of what it returns lie."""
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
        lattice = _RULES[name](before.lattice, source, result, options)
        if lattice is None:
            return None
        coarsest = map(max, before.coarsest, lattice.step)
        return _Traced(lattice, tuple(coarsest))


@dataclass(frozen=True)
class _Traced:
    """A lattice, and the largest step on the way to it."""

    lattice: Lattice
    coarsest: tuple[float, ...]


def _agreed(found: Sequence[_Traced]) -> _Traced | None:
    """Return the lattice of what is added or concatenated.

    Where a path through coarser maps comes back to a finer one, that which stayed fine says where
    things are. Of equal ones the mean counts, as where a map is taken apart into every other voxel.
    """
    if not found:
        return None
    fine = min(one.coarsest for one in found)
    finest = [one.lattice for one in found if one.coarsest == fine]
    if any(one.step != finest[0].step for one in finest):
        return None
    firsts = zip(*(one.first for one in finest), strict=True)
    first = tuple(sum(along) / len(finest) for along in firsts)
    return _Traced(Lattice(first, finest[0].step), fine)


def _size(tensor: torch.Tensor, axes: int) -> tuple[int, ...]:
    """Return the last axes of a tensor, which are those of space, whatever is in front."""
    return tuple(tensor.shape[-axes:]) if tensor.ndim > axes else ()


def _convolution(
    lattice: Lattice, _source: torch.Tensor, _result: torch.Tensor, options: Options
) -> Lattice | None:
    axes = len(lattice.step)
    stride, padding = _each(options["stride"], axes), _each(options["padding"], axes)
    kernel = _span(options["weight"].shape[2:], _each(options["dilation"], axes))
    if len(kernel) != axes:
        return None
    if not options["transposed"]:
        return lattice.windows(kernel, stride, padding)
    # Each position writes a window, in finer steps, of which the padding is cut off.
    fine = [1 / by for by in stride]
    cut = [
        (pad - (width - 1) / 2) * by for pad, width, by in zip(padding, kernel, fine, strict=True)
    ]
    return lattice.moved(cut, fine)


def _pooling(
    lattice: Lattice, _source: torch.Tensor, _result: torch.Tensor, options: Options
) -> Lattice:
    axes = len(lattice.step)
    size = _each(options["kernel_size"], axes)
    kernel = _span(size, _each(options.get("dilation", 1), axes))
    stride = _each(options.get("stride") or size, axes)
    return lattice.windows(kernel, stride, _each(options.get("padding", 0), axes))


def _padding(
    lattice: Lattice, _source: torch.Tensor, _result: torch.Tensor, options: Options
) -> Lattice:
    # Pairs, the last axis first; axes without a pair are not padded, those in front are not space.
    pairs = options.get("pad", options.get("padding", ()))
    before = [*pairs[::2], *[0] * len(lattice.step)][: len(lattice.step)][::-1]
    ones = [1] * len(before)
    return lattice.windows(ones, ones, before)


def _slice(
    lattice: Lattice, source: torch.Tensor, _result: torch.Tensor, options: Options
) -> Lattice:
    dimension = options.get("dim", 0) % source.ndim
    begin, by = options.get("start") or 0, options.get("step", 1)
    axis = dimension - (source.ndim - len(lattice.step))
    if axis < 0:
        return lattice
    shifts, ratios = [0.0] * len(lattice.step), [1.0] * len(lattice.step)
    shifts[axis] = begin if begin >= 0 else max(0, begin + source.shape[dimension])
    ratios[axis] = by
    return lattice.moved(shifts, ratios)


def _reordered(
    lattice: Lattice, source: torch.Tensor, _result: torch.Tensor, options: Options
) -> Lattice | None:
    kept = source.ndim - len(lattice.step)
    if "dims" in options:
        order = [dimension % source.ndim for dimension in options["dims"]]
    else:
        order = list(range(source.ndim))
        one, other = options.get("dim0", 0) % source.ndim, options.get("dim1", 1) % source.ndim
        order[one], order[other] = order[other], order[one]
    return lattice if order[kept:] == list(range(kept, source.ndim)) else None


def _unplaced(
    _lattice: Lattice, _source: torch.Tensor, _result: torch.Tensor, _options: Options
) -> None:
    return None


def _scaled(
    lattice: Lattice, source: torch.Tensor, result: torch.Tensor, options: Options
) -> Lattice:
    """Interpolate, or pool into a number of windows."""
    old, new = (_size(one, len(lattice.step)) for one in (source, result))
    if options.get("align_corners"):
        ratios = [(a - 1) / max(1, b - 1) for a, b in zip(old, new, strict=True)]
        return lattice.moved([0.0] * len(ratios), ratios)
    ratios = [a / b for a, b in zip(old, new, strict=True)]
    return lattice.moved([(ratio - 1) / 2 for ratio in ratios], ratios)


def _nearest(begin: Fraction) -> Rule:
    """Return the rule of reading the position at or before each place, or its middle."""

    def rule(
        lattice: Lattice, source: torch.Tensor, result: torch.Tensor, _options: Options
    ) -> Lattice:
        old, new = (_size(one, len(lattice.step)) for one in (source, result))
        ratios = [Fraction(a, b) for a, b in zip(old, new, strict=True)]
        # After as many places as the denominator it is the same again.
        behind = [
            sum(floor((place + begin) * one) - place * one for place in range(one.denominator))
            / one.denominator
            for one in ratios
        ]
        return lattice.moved([float(one) for one in behind], [float(one) for one in ratios])

    return rule


def _each(values: int | Sequence[int], axes: int) -> Sequence[int]:
    """Return one value for each axis of space, which are the last ones."""
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
