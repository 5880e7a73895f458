"""Layouts: how the tensor that a module takes or returns becomes a feature map (B, C, *S)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

import torch


@dataclass(frozen=True)
class Layout:
    """Which axis of a tensor is the batch, the channels, and each axis of the image.

    Attributes
    ----------
    axes
        For each axis of (B, C, *S) the axis of the tensor, once its tokens are a grid.
    flipped
        Axes of (B, C, *S) that run against the image.
    tokens
        The axis of the tensor that holds all positions as tokens; None if each axis of the image
        has its own.
    prefix
        Number of tokens before those of the grid: class and register tokens.
    grid
        The grid of the tokens, in the order of the tensor.

    Notes
    -----
    A tensor that is (B, C, *S) already has no layout.
    """

    axes: tuple[int, ...]
    flipped: tuple[int, ...] = ()
    tokens: int | None = None
    prefix: int = 0
    grid: tuple[int, ...] = ()

    def takes(self, shape: Sequence[int]) -> bool:
        """Whether a tensor of this shape has this layout."""
        if self.tokens is None:
            return len(shape) == len(self.axes)
        return len(shape) == 3 and shape[self.tokens] == self.prefix + prod(self.grid)

    def map_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Return the shape (B, C, *S) of the feature map in a tensor of a given shape."""
        whole = list(shape)
        if self.tokens is not None:
            whole[self.tokens : self.tokens + 1] = self.grid
        return tuple(whole[axis] for axis in self.axes)

    def feature_map(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the feature map (B, C, *S) in a tensor; a view where possible."""
        if self.tokens is not None:
            tensor = tensor.narrow(self.tokens, self.prefix, prod(self.grid))
            tensor = torch.unflatten(tensor, self.tokens, self.grid)
        tensor = tensor.permute(self.axes)
        return tensor.flip(self.flipped) if self.flipped else tensor

    def put_back(self, feature_map: torch.Tensor, tensor: torch.Tensor) -> torch.Tensor:
        """Return the tensor with another feature map in it."""
        feature_map = feature_map.flip(self.flipped) if self.flipped else feature_map
        inverse = [self.axes.index(axis) for axis in range(len(self.axes))]
        feature_map = feature_map.permute(inverse)
        if self.tokens is None:
            return feature_map
        axis = self.tokens
        feature_map = feature_map.flatten(axis, axis + len(self.grid) - 1)
        return torch.cat([tensor.narrow(axis, 0, self.prefix), feature_map], axis)

    def along_image(self, order: Sequence[int], against: Sequence[bool]) -> "Layout":
        """Return the layout with the axes of S in another order, and some of them flipped.

        Parameters
        ----------
        order
            For each axis of the image, the axis of S that follows it.
        against
            For each axis of the image, whether that axis runs against it.
        """
        axes = (*self.axes[:2], *(self.axes[2 + axis] for axis in order))
        flipped = tuple(2 + axis for axis, is_flipped in enumerate(against) if is_flipped)
        return replace(self, axes=axes, flipped=flipped)


def possible_layouts(
    shape: Sequence[int], image: Sequence[int], anisotropy: float, grids: Sequence[tuple[int, ...]]
) -> list[Layout]:
    """Return the layouts that the shape of a tensor allows, the likeliest first.

    The strides must be alike on all axes of the image.

    Parameters
    ----------
    shape
        Of the tensor, for a single image.
    image
        Spatial size of the image.
    anisotropy
        The largest ratio of two strides.
    grids
        Sizes of other feature maps of the network, which a grid of tokens may have.
    """
    axes = len(image)
    found: list[tuple[float, int, Layout]] = []
    if len(shape) == axes + 2:
        first = Layout(tuple(range(axes + 2)))
        last = Layout((0, axes + 1, *range(1, axes + 1)))
        found = [(distortion(one.map_shape(shape)[2:], image), 0, one) for one in (first, last)]
    elif len(shape) == 3 and axes > 1:
        for tokens, channels in ((1, 2), (2, 1)):
            order = (0, channels if tokens == 2 else axes + 1, *range(tokens, tokens + axes))
            for prefix in range(min(_MOST_PREFIX, shape[tokens] - 1) + 1):
                grid = _grid_of(shape[tokens] - prefix, image, grids)
                if grid is not None:
                    layout = Layout(order, (), tokens, prefix, grid)
                    found.append((distortion(grid, image), prefix, layout))
    # Strides that differ by rounding are alike.
    alike = [one for one in found if one[0] < anisotropy and prod(one[2].map_shape(shape)[2:]) > 1]
    return [layout for *_, layout in sorted(alike, key=lambda one: (round(one[0], 1), one[1]))]


# One class token and up to 16 register tokens.
_MOST_PREFIX = 17


def _grid_of(
    number: int, image: Sequence[int], grids: Sequence[tuple[int, ...]]
) -> tuple[int, ...] | None:
    """Return the grid with a number of positions whose strides are most alike."""
    candidates = [grid for grid in grids if prod(grid) == number]
    if not candidates:
        stride = (prod(image) / number) ** (1 / len(image))
        start: list[tuple[int, ...]] = [()]
        for whole in image[:-1]:
            near = whole / stride
            sizes = range(max(1, int(near / 1.3)), int(near * 1.3) + 2)
            start = [(*one, size) for one in start for size in sizes]
        candidates = [
            (*one, number // prod(one)) for one in start if number % prod(one) == 0
        ]  # fmt: skip
    return min(candidates, key=lambda grid: distortion(grid, image), default=None)


def distortion(size: Sequence[int], image: Sequence[int]) -> float:
    """Return the ratio of the largest stride to the smallest."""
    strides = [whole / part for whole, part in zip(image, size, strict=True)]
    return max(strides) / min(strides)
