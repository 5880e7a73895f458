"""The sampling grid of a network: the position of each of its voxels in an image."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hrcam.cohort.image import Image
from hrcam.preparation.resampling import resample, sampling_matrix

# In voxels: smaller differences of steps are rounding of a single-precision affine.
_EQUAL_STEPS = 1e-3


@dataclass(frozen=True)
class Grid:
    """A grid along the axes of an image, in any order, direction and step.

    Position g along grid axis k has the coordinate ``starts[k] + steps[k] * g`` along the axis
    ``axes[k]`` of the image, in voxels; whole numbers are the centres of voxels.

    Attributes
    ----------
    image_shape, shape
        Shapes of the image and of the grid.
    axes
        For each axis of the grid, the parallel axis of the image.
    starts, steps
        In voxels; a negative step runs against the image's axis.
    """

    image_shape: tuple[int, ...]
    shape: tuple[int, ...]
    axes: tuple[int, ...]
    starts: tuple[float, ...]
    steps: tuple[float, ...]

    def from_native(self, voxels: NDArray[Any]) -> NDArray[Any]:
        """Sample an image, (..., *image_shape), on the grid: (..., *shape).

        Positions outside the image get the value of the nearest voxel.
        """
        matrices = [
            sampling_matrix(self._coordinates(k), self.image_shape[self.axes[k]], abs(step))
            for k, step in enumerate(self.steps)
        ]
        leading = voxels.ndim - len(self.axes)
        order = (*range(leading), *(leading + axis for axis in self.axes))
        return resample(voxels.transpose(order), matrices)

    def to_native(self, values: NDArray[Any]) -> NDArray[Any]:
        """Sample values on the grid, (..., *shape), at the voxels of the image.

        Returns
        -------
        Array of shape (..., *image_shape); 0 in voxels outside the grid.
        """
        matrices = []
        for k, step in enumerate(self.steps):
            positions = self._positions(k)
            matrix = sampling_matrix(positions, self.shape[k], 1 / abs(step))
            matrices.append(matrix * _within(positions, self.shape[k])[:, None])
        leading = values.ndim - len(self.axes)
        order = (*range(leading), *(leading + int(k) for k in np.argsort(self.axes)))
        return np.ascontiguousarray(resample(values, matrices).transpose(order))

    @property
    def inside(self) -> NDArray[np.bool_]:
        """Whether each position lies in the image, shape (*shape); voxels count as boxes."""
        inside = np.ones((), bool)
        for k, axis in enumerate(self.axes):
            along = _within(self._coordinates(k), self.image_shape[axis])
            inside = np.logical_and.outer(inside, along)
        return inside

    @property
    def box(self) -> tuple[tuple[int, int], ...]:
        """The voxels of the image within the grid: for each of its axes the first, and the end."""
        box = [(0, 0)] * len(self.axes)
        for k, axis in enumerate(self.axes):
            within = np.flatnonzero(_within(self._positions(k), self.shape[k]))
            # A grid of large steps may lie between two voxels of an axis.
            box[axis] = (int(within[0]), int(within[-1]) + 1) if len(within) else (0, 0)
        return tuple(box)

    def _positions(self, axis: int) -> NDArray[np.float64]:
        """Return the voxels of the image, as positions along one axis of the grid."""
        coordinates = np.arange(self.image_shape[self.axes[axis]], dtype=np.float64)
        return (coordinates - self.starts[axis]) / self.steps[axis]

    def _coordinates(self, axis: int) -> NDArray[np.float64]:
        """Return the positions along one axis of the grid, as coordinates in the image."""
        return self.starts[axis] + self.steps[axis] * np.arange(self.shape[axis], dtype=np.float64)


def _within(positions: NDArray[np.float64], size: int) -> NDArray[np.bool_]:
    """Return which positions lie on an axis that ends half a voxel beyond its outermost centres."""
    within: NDArray[np.bool_] = np.abs(positions - (size - 1) / 2) <= size / 2 + 1e-6
    return within


def canonical_axes(image: Image) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the order and directions of an image's axes closest to right, anterior, superior.

    Returns
    -------
    axes, directions
        For each axis of the result, an axis of the image, and 1 or -1. A slice keeps two, in the
        order of right, anterior, superior.
    """
    from nibabel.orientations import io_orientation

    nearest = io_orientation(image.affine[:, [*image.axes, 3]])  # type: ignore[no-untyped-call]
    axes = np.argsort(nearest[:, 0])
    return tuple(axes.tolist()), tuple(nearest[axes, 1].astype(int).tolist())


def place_grid(
    image: Image,
    shape: tuple[int, ...],
    spacing: tuple[float, ...] | None,
    centre: tuple[float, ...],
    canonical: bool,
) -> Grid:
    """Place a grid on an image, along the image's own axes.

    An oblique or sheared scan is not rotated, so that both directions of the transform are one
    linear interpolation each.

    Parameters
    ----------
    image
        The image.
    shape
        Shape of the grid.
    spacing
        Spacing of the grid in mm; None to fit the whole image, with the same step on all axes.
    centre
        Position of the grid's centre, in voxels along the image's axes.
    canonical
        Reorder the axes to the closest of right, anterior, superior; else keep the stored order.
    """
    count = len(shape)
    axes, directions = canonical_axes(image) if canonical else (tuple(range(count)), (1,) * count)
    voxel = [image.spacing[axis] for axis in axes]
    if spacing is None:
        extents = [image.shape[axis] * size for axis, size in zip(axes, voxel, strict=True)]
        spacing = (max(e / size for e, size in zip(extents, shape, strict=True)),) * count
    starts, steps = [], []
    for k, axis in enumerate(axes):
        step = directions[k] * spacing[k] / voxel[k]
        start = centre[axis] - step * (shape[k] - 1) / 2
        if math.isclose(abs(step), 1, abs_tol=_EQUAL_STEPS):
            # Align the grid with the voxels, so that nothing is interpolated. Halves round to the
            # same side of the patient, in whichever direction the axis is stored.
            start = directions[k] * math.floor(directions[k] * start + 0.5)
        starts.append(start)
        steps.append(step)
    return Grid(image.shape, shape, axes, tuple(starts), tuple(steps))
