"""Where an affine puts a grid of voxels, and when two affines put it in the same place."""

from itertools import product

import numpy as np
from numpy.typing import NDArray

from hrcam.cohort.problems import Caution, ImageError, Reason

Affine = NDArray[np.float64]

_SAME_PLACE = 1e-3
# A qform keeps three numbers of a quaternion as float32. Where the fourth is near 0 (a turn by
# half a circle, as between DICOM and NIfTI) it is known to 3e-4 only, the angle to 7e-4.

_SHEAR = 1e-3
_FLAT = 1e-3


def same_place(first: Affine, second: Affine, shape: tuple[int, ...]) -> bool:
    """Tell if two affines put every voxel of a grid in one place.

    Parameters
    ----------
    first, second : array, shape (4, 4)
        From voxel indices to mm.
    shape : tuple of int
        Of the grid, at most three axes.

    Returns
    -------
    bool
        True if no corner is further away than a thousandth of the field of view, which is as well
        as a NIfTI qform can say it.
    """
    return corner_distance(first, second, shape) <= _SAME_PLACE * _field_of_view(first, shape)


def corner_distance(first: Affine, second: Affine, shape: tuple[int, ...]) -> float:
    """Return how far apart, in mm, two affines put the same corner of a grid, at most."""
    three = (*shape, 1, 1, 1)[:3]
    corners = np.array([(*corner, 1) for corner in product(*((0, size - 1) for size in three))])
    apart = (first - second)[:3] @ corners.T
    return float(np.sqrt((apart**2).sum(0)).max())


def _field_of_view(affine: Affine, shape: tuple[int, ...]) -> float:
    three = np.array((*shape, 1, 1, 1)[:3])
    return float(np.linalg.norm(voxel_size(affine) * three))


def voxel_size(affine: Affine) -> NDArray[np.float64]:
    """Return the distance between voxels along each of three axes, in mm."""
    size: NDArray[np.float64] = np.sqrt((affine[:3, :3] ** 2).sum(0))
    return size


def check_affine(affine: Affine) -> None:
    """Refuse an affine that puts several voxels in one place.

    Raises
    ------
    ImageError
        If it is not finite, or its axes span no volume.
    """
    size = voxel_size(affine)
    sized = np.isfinite(affine).all() and np.all(size > 0)
    if sized and abs(np.linalg.det(affine[:3, :3] / size)) > _FLAT:
        return
    raise ImageError(
        Reason.SINGULAR_AFFINE,
        f"the affine {format_affine(affine)} gives several voxels the same place",
        "write the orientation again from the original data",
    )


def shear_angle(affine: Affine) -> float:
    """Return by how many degrees the axes of a grid miss right angles, at most."""
    axes = affine[:3, :3] / voxel_size(affine)
    cosines = np.abs(axes.T @ axes - np.eye(3)).max()
    return float(np.degrees(np.arcsin(min(cosines, 1.0))))


def shear_cautions(affine: Affine) -> tuple[Caution, ...]:
    """Say that the axes of an image do not meet at right angles, if so."""
    angle = shear_angle(affine)
    if np.sin(np.radians(angle)) <= _SHEAR:
        return ()
    return (
        Caution(
            Reason.SHEARED_AFFINE,
            f"the axes miss right angles by {angle:.2f} degrees",
            "nothing, if a registration was written into the affine; some other programs, "
            "ITK among them, refuse or straighten such files",
        ),
    )


def format_affine(affine: Affine) -> str:
    """Write the three rows of an affine in one line."""
    rows = ("[" + " ".join(f"{value:.6g}" for value in row) + "]" for row in affine[:3])
    return "[" + " ".join(rows) + "]"
