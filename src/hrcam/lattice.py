"""Where the positions of a feature map lie in the image, by the arithmetic of the layers before it.

A convolution with a kernel of 3, a stride of 2 and padding on both sides is centred on every other
voxel, not between two of them: the coarse levels of a ResNet, merely scaled up, are drawn several
voxels beside what they saw. A layer that pads at the end alone is off the other way, one that
pools pairs of voxels not at all. So positions are followed through kernels, strides and padding
(Araujo, Norris and Sim, Computing receptive fields, Distill 2019, eq. 3 and 4).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakTensorKeyDictionary

from hrcam.nested import tensors_in


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
        axes = zip(self.first, self.step, kernel, before, strict=True)
        return Lattice(
            tuple(first + ((size - 1) / 2 - pad) * step for first, step, size, pad in axes),
            tuple(step * by for step, by in zip(self.step, stride, strict=True)),
        )

    def resized(self, before: Sequence[int], after: Sequence[int]) -> "Lattice":
        """Return that of the same extent in another number of positions."""
        ratios = [old / new for old, new in zip(before, after, strict=True)]
        axes = zip(self.first, self.step, ratios, strict=True)
        return Lattice(
            tuple(first + (ratio - 1) / 2 * step for first, step, ratio in axes),
            tuple(step * ratio for step, ratio in zip(self.step, ratios, strict=True)),
        )


class LatticeTracer(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follows positions through every operation while it is active.

    What comes out of operations that it has no rule for, as of one that turns space into channels,
    has no lattice.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._known = WeakTensorKeyDictionary()

    def begin(self, image: torch.Tensor) -> None:
        """Take a tensor (B, C, *spatial) as the image."""
        axes = image.ndim - 2
        self._known[image] = Lattice((0.0,) * axes, (1.0,) * axes)

    def of(self, tensor: torch.Tensor) -> Lattice | None:
        """Return the lattice of a tensor (B, C, *spatial), or None where it is not known."""
        found: Lattice | None = self._known.get(tensor)  # type: ignore[no-untyped-call]
        return found

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run an operation, and note where the positions of what it returns lie."""
        result = func(*args, **(kwargs or {}))
        # Of several that are added or concatenated one is enough: they lie alike.
        source = next((one for one in tensors_in(args) if one in self._known), None)
        if source is None:
            return result
        rule = _RULES.get(func.overloadpacket.__name__, _same_size)
        names = (argument.name for argument in func._schema.arguments)
        options = dict(zip(names, args, strict=False))
        for tensor in tensors_in(result):
            if tensor.ndim == source.ndim:
                lattice = rule(self._known[source], source, tensor, options)
                if lattice is not None:
                    self._known[tensor] = lattice
        return result


Options = Mapping[str, Any]
Rule = Callable[[Lattice, torch.Tensor, torch.Tensor, Options], Lattice | None]


def _same_size(
    lattice: Lattice, source: torch.Tensor, result: torch.Tensor, _options: Options
) -> Lattice | None:
    return lattice if source.shape[2:] == result.shape[2:] else None


def _convolution(
    lattice: Lattice, _source: torch.Tensor, _result: torch.Tensor, options: Options
) -> Lattice:
    axes = len(lattice.step)
    stride, padding = _each(options["stride"], axes), _each(options["padding"], axes)
    kernel = _span(options["weight"].shape[2:], _each(options["dilation"], axes))
    if not options["transposed"]:
        return lattice.windows(kernel, stride, padding)
    # Each position writes a window, in finer steps, of which the padding is cut off.
    fine = tuple(step / by for step, by in zip(lattice.step, stride, strict=True))
    cut = [pad - (size - 1) / 2 for pad, size in zip(padding, kernel, strict=True)]
    first = (one + by * step for one, by, step in zip(lattice.first, cut, fine, strict=True))
    return Lattice(tuple(first), fine)


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
    # Pairs, the last axis first; axes without a pair are not padded.
    pairs = options.get("pad", options.get("padding", ()))
    before = [*pairs[::2], *[0] * len(lattice.step)][: len(lattice.step)][::-1]
    ones = [1] * len(before)
    return lattice.windows(ones, ones, before)


def _slice(
    lattice: Lattice, source: torch.Tensor, _result: torch.Tensor, options: Options
) -> Lattice:
    axis = options.get("dim", 0) % source.ndim - 2
    begin, by = options.get("start") or 0, options.get("step", 1)
    if axis < 0:
        return lattice
    ones = [1] * len(lattice.step)
    stride, before = list(ones), [0] * len(ones)
    stride[axis] = by
    before[axis] = -(begin if begin >= 0 else begin + source.shape[axis + 2])
    return lattice.windows(ones, stride, before)


def _resized(
    lattice: Lattice, source: torch.Tensor, result: torch.Tensor, _options: Options
) -> Lattice:
    return lattice.resized(source.shape[2:], result.shape[2:])


def _each(values: int | Sequence[int], axes: int) -> Sequence[int]:
    values = [values] if isinstance(values, int) else values
    return [*values] * axes if len(values) == 1 else values


def _span(kernel: Sequence[int], dilation: Sequence[int]) -> list[int]:
    return [(size - 1) * by + 1 for size, by in zip(kernel, dilation, strict=True)]


_RULES: dict[str, Rule] = {
    "convolution": _convolution,
    "slice": _slice,
    **dict.fromkeys(
        ("avg_pool2d", "avg_pool3d", "max_pool2d_with_indices", "max_pool3d_with_indices"), _pooling
    ),
    **{
        f"{kind}_pad{axes}": _padding
        for kind in ("reflection", "replication")
        for axes in ("1d", "2d", "3d")
    },
    "constant_pad_nd": _padding,
    **{f"_adaptive_avg_pool{axes}": _resized for axes in ("2d", "3d")},
    **{f"adaptive_max_pool{axes}": _resized for axes in ("2d", "3d")},
    **{f"upsample_nearest{axes}": _resized for axes in ("1d", "2d", "3d")},
    "upsample_linear1d": _resized,
    "upsample_bilinear2d": _resized,
    "upsample_bicubic2d": _resized,
    "upsample_trilinear3d": _resized,
}
