"""Choose a preparation from what is known of a cohort."""

import logging
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from hrcam.cohort.facts import ScanFacts
from hrcam.cohort.image import PLACED, Colour
from hrcam.errors import InputError
from hrcam.preparation.preparation import Preparation

logger = logging.getLogger(__name__)

# Positions along each side, unless asked for.
_LARGEST_SIDE = 128
# The grid halves evenly at every level of a network; in 3D, where positions are dear, at four.
_MULTIPLE = {2: 16, 3: 8}
_SMALLEST_SIDE = 16
# Scans up to this much larger than the median fit whole; one whole-body scan among heads does not
# make all heads small.
_ROOM = 1.25


def choose_preparation(
    facts: Iterable[ScanFacts],
    channels: tuple[str, ...],
    *,
    shape: tuple[int, ...] | None = None,
    spacing: tuple[float, ...] | None = None,
    colour: Colour = "luminance",
) -> Preparation:
    """Choose the grid for a cohort: as fine as its images, as large as their content.

    Millimetres are kept where all images have them: the median spacing, coarser only as far as
    the content would not fit into 128 positions along a side. Pictures and arrays are scaled to
    the grid, which has the median size, at most 128 along the longest side.

    Parameters
    ----------
    facts
        Of the scans to train on.
    channels
        Names of the images of each scan.
    shape
        Of the grid, instead of a chosen one: right, anterior, superior; (rows, columns) for
        pictures.
    spacing
        In mm along the same axes, instead of a chosen one.
    colour
        What has become of pictures in colour.

    Raises
    ------
    InputError
        If there are no scans, if they differ in dimensions or channels, or if shape or spacing
        do not fit them.
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
        shape = shape or _fitted(extent)
    else:
        spacing = spacing or _spacing_to_fit(np.median(voxel, axis=0), extent, shape)
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
    logger.info("grid of %s positions, %s", _times(preparation.shape), _described(spacing))
    return preparation


def _the_same(facts: list[ScanFacts], counts: list[int], what: str) -> int:
    different = sorted(set(counts))
    if len(different) > 1:
        examples = ", ".join(
            f"{facts[counts.index(count)].name} has {count}" for count in different
        )
        raise InputError(f"the scans differ in their number of {what} ({examples}): split them")
    return different[0]


def _canonical_order(facts: ScanFacts) -> list[int]:
    """Axes of the image in the order right, anterior, superior."""
    places = {letter: place for place, pair in enumerate(("RL", "AP", "SI")) for letter in pair}
    axes = range(len(facts.shape))
    # Files without an orientation have no letters, and keep their order.
    return sorted(axes, key=lambda axis: places.get(facts.orientation[axis : axis + 1], axis))


def _left_right(facts: list[ScanFacts], has_scale: bool) -> int | None:
    """Axis of the grid from left to right: pictures show it across, sagittal slices not at all."""
    if not has_scale:
        return 1 if len(facts[0].shape) == 2 else None
    across = all(set("RL") & set(one.orientation) for one in facts)
    return 0 if across else None


def _extent_to_cover(extents: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the largest extent along each axis, but for outliers."""
    covered: NDArray[np.float64] = np.minimum(extents.max(0), _ROOM * np.median(extents, axis=0))
    return covered


def _spacing_to_fit(
    voxel: NDArray[np.float64], extent: NDArray[np.float64], shape: tuple[int, ...] | None
) -> tuple[float, ...]:
    """Return the spacing of the images, no finer than what makes the extent fit the grid."""
    needed = extent / (shape or _LARGEST_SIDE)
    # Axes that fit already have nothing to say on how coarse the others become.
    floor = max((float(n) for n, size in zip(needed, voxel, strict=True) if n > size), default=0)
    return tuple(max(float(size), floor) for size in voxel)


def _fitted(extent: NDArray[np.float64]) -> tuple[int, ...]:
    """Shape of a grid with the aspect ratio of pictures, no larger than the largest."""
    return _rounded_up(extent * min(1.0, _LARGEST_SIDE / float(extent.max())))


def _rounded_up(size: NDArray[np.float64]) -> tuple[int, ...]:
    multiple = _MULTIPLE[len(size)]
    # What is a rounding error above a whole number of positions needs no further block.
    sides = np.ceil((size - 1e-3) / multiple).astype(int) * multiple
    return tuple(max(int(side), _SMALLEST_SIDE) for side in sides)


def _times(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))


def _described(spacing: tuple[float, ...] | None) -> str:
    if spacing is None:
        return "images scaled to fit"
    return " × ".join(f"{size:g}" for size in spacing) + " mm apart"
