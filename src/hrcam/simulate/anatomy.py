"""The MNI152 T1 anatomy of all simulated images, and image grids."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

CENTRE_MM = (0.0, -16.0, 4.0)
"""Middle of the brain, in MNI millimetres. Even, so that a 2 mm grid is the standard one."""

FIELD_OF_VIEW_MM = 192.0
"""Width that holds the whole template brain: 128 pixels of 1.5 mm, 96 voxels of 2 mm."""

AXIAL_SLICES_MM = tuple(float(z) for z in np.arange(40) * 1.5 - 14)
"""MNI z of the 40 axial slices of 2D images: all have a large cross-section of brain."""

BRAIN_THRESHOLD = 0.2
"""T1 signal above which a voxel is brain, as in nilearn's MNI152 brain mask."""


@dataclass(frozen=True)
class Anatomy:
    """A skull-stripped brain on its own grid.

    Attributes
    ----------
    t1 : ndarray, shape (X, Y, Z), float32
        T1-weighted signal, 0 to 1.
    tissue : ndarray, shape (X, Y, Z), float32
        Probability of grey or white matter, 0 to 1.
    affine : ndarray, shape (4, 4)
        From voxel indices to MNI millimetres.
    """

    t1: NDArray[np.float32]
    tissue: NDArray[np.float32]
    affine: NDArray[np.float64]


@lru_cache(maxsize=2)
def load_anatomy(voxel_size: float) -> Anatomy:
    """Load the MNI152 anatomy, smoothed for sampling at ``voxel_size``; cached per process.

    The template ships with nilearn: nothing is downloaded. It stays on its 1 mm grid, smoothed
    to the resolution of the images so that sampling does not alias.

    Parameters
    ----------
    voxel_size : float
        Voxel size of the images to come, in millimetres.

    Returns
    -------
    Anatomy
        Shared by all callers, and read-only.
    """
    from nilearn import datasets

    t1 = datasets.load_mni152_template(resolution=1)
    grey = datasets.load_mni152_gm_template(resolution=1)
    white = datasets.load_mni152_wm_template(resolution=1)
    return Anatomy(
        t1=_smoothed(t1.get_fdata(), voxel_size),
        tissue=_smoothed(np.clip(grey.get_fdata() + white.get_fdata(), 0.0, 1.0), voxel_size),
        affine=np.asarray(t1.affine, dtype=np.float64),
    )


@lru_cache(maxsize=2)
def load_white_matter(voxel_size: float) -> NDArray[np.float32]:
    """Load the MNI152 probability of white matter, on the grid of `load_anatomy`.

    Parameters
    ----------
    voxel_size : float
        Voxel size of the images to come, in millimetres.

    Returns
    -------
    ndarray, shape (X, Y, Z), float32
        0 to 1; shared by all callers, and read-only.
    """
    from nilearn import datasets

    return _smoothed(datasets.load_mni152_wm_template(resolution=1).get_fdata(), voxel_size)


def _smoothed(volume: NDArray[np.float64], voxel_size: float) -> NDArray[np.float32]:
    from scipy import ndimage

    # Full width at half maximum of a voxel, less the 1 mm that the template has already.
    sigma = np.sqrt(max(voxel_size**2 - 1.0, 0.0)) / 2.355
    out: NDArray[np.float32] = ndimage.gaussian_filter(volume.astype(np.float32), sigma)
    out.setflags(write=False)
    return out


def grid_affine(
    shape: tuple[int, ...],
    voxel_size: float | tuple[float, ...],
    z: float,
    centre: tuple[float, float] = CENTRE_MM[:2],
) -> NDArray[np.float64]:
    """Place an image grid in MNI space, its middle voxel ``n // 2`` at the given point.

    A volume has the axes of the template (right, anterior, superior). An axial slice has the
    axes of a picture in radiological convention: rows run from anterior to posterior, columns
    from the patient's right to the left.

    Parameters
    ----------
    shape : tuple of int
        Two numbers for an axial slice, three for a volume.
    voxel_size : float or tuple of float
        Edge of a voxel, in millimetres, or one for each axis of the image.
    z : float
        MNI z of the middle voxel, in millimetres.
    centre : tuple of float
        MNI x and y of the middle voxel, in millimetres: the middle of the brain.

    Returns
    -------
    ndarray, shape (4, 4)
        From voxel indices (a slice has a third index, 0) to MNI millimetres.
    """
    axes = np.array([[0, -1, 0], [-1, 0, 0], [0, 0, 1]]) if len(shape) == 2 else np.eye(3)
    middle = np.array([n // 2 for n in shape] + [0] * (3 - len(shape)))
    affine = np.eye(4)
    edges = voxel_size if isinstance(voxel_size, tuple) else (voxel_size,) * len(shape)
    # A slice is as thick as its pixels are wide.
    affine[:3, :3] = axes * np.array([*edges, edges[0]][:3])
    affine[:3, 3] = np.array([*centre, z]) - affine[:3, :3] @ middle
    return affine
