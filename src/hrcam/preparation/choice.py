"""Choose a preparation from the properties of a cohort's images."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hrcam.cohort.facts import ScanFacts
from hrcam.cohort.image import PLACED, Colour
from hrcam.errors import InputError
from hrcam.preparation.preparation import Preparation

LARGEST_SIDE = 128
"""Largest size of a side of the grid in voxels, unless a shape is given."""

# Sides are multiples of these, so that strides of 2 divide them evenly: 4 times in 2D, 3 in 3D.
_MULTIPLE = {2: 16, 3: 8}
_SMALLEST_SIDE = 16
# Scans up to this many times the median extent fit completely. Larger outliers, e.g. one whole-body
# scan among heads, do not shrink all others.
_LARGEST_EXTENT = 1.25


@dataclass(frozen=True)
class PreparationChoice:
    """A preparation, and why its grid was chosen.

    Attributes
    ----------
    preparation
        What was chosen.
    shape_reason, spacing_reason
        Why the grid has this shape and this spacing, where they were not given.
    """

    preparation: Preparation
    shape_reason: str
    spacing_reason: str


def choose_preparation(
    facts: Iterable[ScanFacts],
    channels: tuple[str, ...],
    *,
    shape: tuple[int, ...] | None = None,
    spacing: tuple[float, ...] | None = None,
    colour: Colour = "luminance",
) -> Preparation:
    """Return the preparation that `explain_choice` chooses, without its reasons."""
    return explain_choice(facts, channels, shape=shape, spacing=spacing, colour=colour).preparation


def explain_choice(
    facts: Iterable[ScanFacts],
    channels: tuple[str, ...],
    *,
    shape: tuple[int, ...] | None = None,
    spacing: tuple[float, ...] | None = None,
    largest_side: int = LARGEST_SIDE,
    colour: Colour = "luminance",
) -> PreparationChoice:
    """Choose a grid with the resolution of a cohort's images and the size of their content.

    If all images have a scale in mm, the grid has their median spacing, or a coarser one if the
    content would need more voxels along a side than allowed. Pictures and arrays are scaled to the
    grid, which has their size, or a smaller one if that is larger than allowed.

    Parameters
    ----------
    facts
        Properties of the scans to train on.
    channels
        Names of the images of each scan.
    shape
        Shape of the grid along right, anterior, superior, or (rows, columns) for pictures; None to
        choose it.
    spacing
        Spacing of the grid in mm along the same axes; None to choose it.
    colour
        Channels of colour pictures: "luminance" or "rgb".

    Returns
    -------
    PreparationChoice

    Raises
    ------
    InputError
        If there are no scans, if they differ in dimensions or channels, or if shape or spacing
        are invalid for them.
    """
    known = list(facts)
    if not known:
        raise InputError("there is no scan to choose a grid from: the cohort is empty")
    dimensions = _the_same(known, [len(one.shape) for one in known], "axes")
    in_channels = _the_same(known, [len(one.percentiles) for one in known], "channels")
    if dimensions not in (2, 3):
        raise InputError(f"the images have {dimensions} axes: they need 2 or 3")
    for name, value in (("shape", shape), ("spacing", spacing)):
        if value is not None and len(value) != dimensions:
            raise InputError(f"{name} is {value}: give {dimensions} values, one for each axis")
        if value is not None and min(value) <= 0:
            raise InputError(f"{name} is {value}: give values above 0")
    has_scale = all(one.format in PLACED for one in known)
    if spacing is not None and not has_scale:
        raise InputError("pictures and arrays have no spacing in mm: give the shape alone")
    volumes = has_scale and dimensions == 3
    order = [_canonical_order(one) if has_scale else list(range(dimensions)) for one in known]
    voxel = np.array([np.take(one.spacing, axes) for one, axes in zip(known, order, strict=True)])
    size = np.array(
        [
            np.take(one.foreground if volumes else one.shape, axes)
            for one, axes in zip(known, order, strict=True)
        ]
    )
    extent = _extent_to_cover(size * voxel)
    if not has_scale:
        shape_reason, spacing_reason = _picture_reasons(extent, largest_side)
        shape = shape or _fitted(extent, largest_side)
    else:
        usual = np.median(voxel, axis=0)
        spacing = spacing or _spacing_to_fit(usual, extent, shape or (largest_side,) * dimensions)
        content = "the foreground" if volumes else "the images"
        shape_reason = (
            f"{content}, {_times(extent)} mm, at this spacing, in multiples of "
            f"{_MULTIPLE[dimensions]}"
        )
        spacing_reason = f"the median of the images, {_times(usual)} mm"
        if tuple(usual) != tuple(spacing):
            limit = f"{largest_side} voxels" if shape is None else "the given shape"
            spacing_reason += f", made coarser so that they fit into {limit} along a side"
        shape = shape or _rounded_up(extent / spacing)
    preparation = Preparation(
        dimensions=dimensions,  # type: ignore[arg-type]  # 2 or 3, as checked above
        channels=channels,
        in_channels=in_channels,
        shape=tuple(shape),
        spacing=spacing,
        orientation="RAS" if has_scale else "stored",
        left_right=_left_right(known, has_scale),
        crop_to_foreground=volumes,
        colour=colour,
    )
    return PreparationChoice(preparation, shape_reason, spacing_reason)


def _the_same(facts: list[ScanFacts], counts: list[int], what: str) -> int:
    different = sorted(set(counts))
    if len(different) > 1:
        examples = ", ".join(
            f"{facts[counts.index(count)].name} has {count}" for count in different
        )
        raise InputError(f"the scans differ in their number of {what} ({examples}): split them")
    return different[0]


def _canonical_order(facts: ScanFacts) -> list[int]:
    """Return the axes of the image in the order right, anterior, superior."""
    places = {letter: place for place, pair in enumerate(("RL", "AP", "SI")) for letter in pair}
    axes = range(len(facts.shape))
    # Axes without an orientation keep their order.
    return sorted(axes, key=lambda axis: places.get(facts.orientation[axis : axis + 1], axis))


def _left_right(facts: list[ScanFacts], has_scale: bool) -> int | None:
    """Return the left-right axis of the grid: a picture's columns; None for sagittal slices."""
    if not has_scale:
        return 1 if len(facts[0].shape) == 2 else None
    across = all(set("RL") & set(one.orientation) for one in facts)
    return 0 if across else None


def _extent_to_cover(extents: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the largest extent along each axis, outliers limited."""
    covered: NDArray[np.float64] = np.minimum(
        extents.max(0), _LARGEST_EXTENT * np.median(extents, axis=0)
    )
    return covered


def _spacing_to_fit(
    voxel: NDArray[np.float64], extent: NDArray[np.float64], shape: tuple[int, ...]
) -> tuple[float, ...]:
    """Return the spacing of the images, or a coarser one that fits the extent into the grid."""
    needed = extent / shape
    # Only axes that do not fit make the others coarser.
    floor = max((float(n) for n, size in zip(needed, voxel, strict=True) if n > size), default=0)
    return tuple(max(float(size), floor) for size in voxel)


def _fitted(extent: NDArray[np.float64], largest: int) -> tuple[int, ...]:
    """Return the shape of a grid with the aspect ratio of pictures, limited in size."""
    return _rounded_up(extent * min(1.0, largest / float(extent.max())))


def _picture_reasons(extent: NDArray[np.float64], largest: int) -> tuple[str, str]:
    reason = f"the size of the images, {_times(extent)} pixels"
    if extent.max() > largest:
        reason += f", scaled down to {largest} along the longest side"
    return (
        f"{reason}, in multiples of {_MULTIPLE[len(extent)]}",
        "pictures and arrays have no scale in mm: each is scaled to the grid",
    )


def _rounded_up(size: NDArray[np.float64]) -> tuple[int, ...]:
    multiple = _MULTIPLE[len(size)]
    # A rounding error above a multiple does not need another block.
    sides = np.ceil((size - 1e-3) / multiple).astype(int) * multiple
    return tuple(max(int(side), _SMALLEST_SIDE) for side in sides)


def _times(sizes: NDArray[np.float64]) -> str:
    return " × ".join(f"{size:.4g}" for size in sizes)
