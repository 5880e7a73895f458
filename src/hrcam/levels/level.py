"""A level: a place in a model where a feature map is read."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch

from hrcam.levels.geometry import FeatureGrid
from hrcam.levels.layout import Layout
from hrcam.model.call import Images
from hrcam.model.inputs import grid_of, image_of

_ROUNDING = 1e-9


@dataclass(frozen=True)
class Level:
    """A place in a model where a feature map is read.

    Attributes
    ----------
    name
        The module's name, followed by ``:input`` if the map is an input of the module (such as
        a concatenation that no module returns), by ``#2`` for the second run of a module that
        runs several times, and by ``[1]`` for the second of several tensors.
    module
        The module's name alone.
    channels
        Number of feature channels, C_l.
    size
        Spatial size of the map in the dry run.
    stride
        Size of the image divided by the size of the map, per axis.
    at_input, run, item
        Whether the map is an input of the module, the index of the run, and the index among
        several tensors.
    feature_grid
        Where its positions are centred in the image; None for half-pixel centres.
    layout
        How the tensor becomes a feature map (B, C_l, *S_l); None if it is one already.
    """

    name: str
    module: str
    channels: int
    size: tuple[int, ...]
    stride: tuple[float, ...]
    at_input: bool = False
    run: int = 0
    item: int = 0
    feature_grid: FeatureGrid | None = None
    layout: Layout | None = None

    def feature_map(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the feature map (B, C_l, *S_l) in the tensor that the module returns."""
        return tensor if self.layout is None else self.layout.feature_map(tensor)

    def feature_grid_on(self, size: Sequence[int], grid: Sequence[int]) -> FeatureGrid | None:
        """Return where the positions of a map of this level are centred in an image.

        Parameters
        ----------
        size
            Spatial size of the map.
        grid
            Spatial size of the image.

        Returns
        -------
        The feature grid of the dry run; None if it is unknown, or if the map's size does not
        follow the image's, as after adaptive pooling.
        """
        if self.feature_grid is None:
            return None
        axes = zip(self.size, self.stride, self.feature_grid.step, size, grid, strict=True)
        # Sizes are rounded if the step does not divide the difference.
        holds = all(
            abs(now - before - (whole - before * stride) / step) < 1 - _ROUNDING
            for before, stride, step, now, whole in axes
        )
        return self.feature_grid if holds else None


class Levels(list[Level]):
    """Levels from the coarsest to the finest; prints as a table.

    Attributes
    ----------
    image
        Key or index of the image that they are levels of, where the model takes several.
    left_out
        Tensors that have the shape of a feature map and are none, each with the reason.
    """

    def __init__(
        self,
        levels: Iterable[Level] = (),
        image: str | int | None = None,
        left_out: Sequence[str] = (),
    ) -> None:
        super().__init__(levels)
        self.image = image
        self.left_out = tuple(left_out)

    def image_of(self, images: Images) -> torch.Tensor:
        """Return the tensor of a batch that is mapped."""
        return image_of(images, self.image)

    def grid_of(self, images: Images) -> tuple[int, ...]:
        """Return the spatial size of the images, which is that of the maps."""
        return grid_of(images, self.image)

    def __str__(self) -> str:
        rows: list[tuple[str, ...]] = [("level", "channels", "size", "stride")]
        rows += [
            (
                level.name,
                str(level.channels),
                " × ".join(map(str, level.size)),
                " × ".join(f"{stride:.3g}" for stride in level.stride),
            )
            for level in self
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        rows.insert(1, tuple("─" * width for width in widths))
        table = "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        )
        return "\n".join([table, *(f"left out: {one}" for one in self.left_out)])

    __repr__ = __str__  # what notebooks show
