"""Anatomical variation: a random affine and a smooth elastic deformation of the template."""

import numpy as np
from numpy.typing import NDArray

from hrcam.simulate.anatomy import CENTRE_MM, Anatomy
from hrcam.simulate.fields import smooth_field

ELASTIC_SPACING_MM = 30.0
"""Distance over which the elastic displacement changes."""


def random_affine(
    rng: np.random.Generator, *, rotation: float, scaling: float, translation: float
) -> NDArray[np.float64]:
    """Draw an affine transform about the middle of the brain.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the transform.
    rotation : float
        Largest angle about each axis, in degrees.
    scaling : float
        Largest relative decrease of length along each axis: the template is larger than most
        brains.
    translation : float
        Largest shift along each axis, in millimetres.

    Returns
    -------
    ndarray, shape (4, 4)
        From millimetres in the subject to millimetres in the template; each parameter is
        uniform within its limits.
    """
    angles = np.deg2rad(rng.uniform(-rotation, rotation, 3))
    linear = np.diag(1.0 / rng.uniform(1.0 - scaling, 1.0, 3))
    for axis, angle in enumerate(angles):
        i, j = (k for k in range(3) if k != axis)
        turn = np.eye(3)
        turn[[i, i, j, j], [i, j, i, j]] = (
            np.cos(angle),
            -np.sin(angle),
            np.sin(angle),
            np.cos(angle),
        )
        linear = linear @ turn
    centre = np.array(CENTRE_MM)
    affine = np.eye(4)
    affine[:3, :3] = linear
    affine[:3, 3] = centre - linear @ centre + rng.uniform(-translation, translation, 3)
    return affine


def deformed_coordinates(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    *,
    to_template: NDArray[np.float64],
    elastic: float,
    spacing: float,
) -> NDArray[np.float64]:
    """Compute the position in the template of each voxel of an image.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the elastic deformation.
    shape : tuple of int
        Shape of the image: two or three numbers.
    to_template : ndarray, shape (4, 4)
        From voxel indices of the image to voxel indices of the template.
    elastic : float
        Standard deviation of the displacement along each axis, in voxels of the template.
    spacing : float
        Distance over which the displacement changes, in voxels of the image.

    Returns
    -------
    ndarray, shape (3, *shape)
        Voxel indices in the template.
    """
    coordinates = np.empty((3, *shape))
    index = np.ogrid[tuple(slice(n) for n in shape)]
    for axis in range(3):
        coordinates[axis] = to_template[axis, 3]
        for step, along in zip(to_template[axis], index, strict=False):
            coordinates[axis] += step * along
        coordinates[axis] += elastic * smooth_field(rng, shape, spacing)
    return coordinates


def template_millimetres(anatomy: Anatomy, coordinates: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convert template voxels to MNI space.

    Parameters
    ----------
    anatomy : Anatomy
        The template, whose axes of 1 mm run right, anterior and superior.
    coordinates : ndarray, shape (3, *spatial)
        Voxel indices in the template.

    Returns
    -------
    ndarray, shape (3, *spatial)
        MNI millimetres.
    """
    origin = anatomy.affine[:3, 3].reshape(3, *(1,) * (coordinates.ndim - 1))
    millimetres: NDArray[np.float64] = coordinates + origin
    return millimetres


def sample_anatomy(
    anatomy: Anatomy, coordinates: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Sample the anatomy at template voxels by linear interpolation, with air outside.

    Parameters
    ----------
    anatomy : Anatomy
        The template.
    coordinates : ndarray, shape (3, *spatial)
        Voxel indices in the template.

    Returns
    -------
    t1 : ndarray, shape (*spatial), float32
        T1-weighted signal, 0 to 1.
    tissue : ndarray, shape (*spatial), bool
        Where grey and white matter together are more likely than not.
    """
    return sample(anatomy.t1, coordinates), sample(anatomy.tissue, coordinates) > 0.5


def sample(volume: NDArray[np.float32], coordinates: NDArray[np.float64]) -> NDArray[np.float32]:
    """Sample one map of the anatomy at template voxels by linear interpolation, with 0 outside.

    Parameters
    ----------
    volume : ndarray, shape (X, Y, Z), float32
        A map on the grid of the template.
    coordinates : ndarray, shape (3, *spatial)
        Voxel indices in the template.

    Returns
    -------
    ndarray, shape (*spatial), float32
        The map's values.
    """
    from scipy.ndimage import map_coordinates

    out: NDArray[np.float32] = map_coordinates(volume, coordinates, order=1)
    return out
