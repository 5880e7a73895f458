"""Images of every geometry and facts of scans, made by hand."""

import numpy as np
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from hrcam.cohort.facts import ScanFacts
from hrcam.cohort.image import Image


def nifti(voxels, affine=None, stored_shape=None):
    """An image as if read from NIfTI; voxels (C, *spatial)."""
    voxels = np.asarray(voxels, np.float32)
    affine = np.eye(4) if affine is None else np.asarray(affine, np.float64)
    return Image(voxels, affine, stored_shape or voxels.shape[1:], "nifti", (1, 1))


def picture(voxels):
    """An image as if read from PNG; voxels (C, rows, columns)."""
    voxels = np.asarray(voxels, np.float32)
    return Image(voxels, np.eye(4), voxels.shape[1:], "picture")


def facts(shape, spacing=None, orientation=None, *, foreground=None, format="nifti", channels=1):  # noqa: A002
    """Facts of a scan."""
    return ScanFacts(
        name="sub-01",
        format=format,
        shape=shape,
        spacing=spacing or (1.0,) * len(shape),
        orientation="RAS"[: len(shape)] if orientation is None else orientation,
        foreground=foreground or shape,
        percentiles=((0.0, 1.0, 2.0, 3.0, 4.0),) * channels,
        voxel_hash="0",
    )


def coordinates(image):
    """World coordinates of each voxel in mm, shape (3, *spatial)."""
    indices = np.indices(image.stored_shape).reshape(len(image.stored_shape), -1)
    indices = np.concatenate([indices, np.zeros((3 - len(indices), indices.shape[1]))])
    world = image.affine[:3, :3] @ indices + image.affine[:3, 3:]
    return world.reshape(3, *image.shape)


@st.composite
def volumes(draw):
    """Noise with an affine of any kind: oblique, anisotropic, flipped, permuted, sheared."""
    shape = tuple(draw(st.lists(st.integers(9, 20), min_size=3, max_size=3)))
    angles = draw(st.lists(st.floats(-25, 25), min_size=3, max_size=3))
    spacing = draw(st.lists(st.floats(0.3, 4), min_size=3, max_size=3))
    shear = np.eye(3)
    shear[0, 1:] = draw(st.lists(st.floats(-0.2, 0.2), min_size=2, max_size=2))
    order = draw(st.permutations([0, 1, 2]))
    signs = draw(st.lists(st.sampled_from([-1, 1]), min_size=3, max_size=3))
    affine = np.eye(4)
    turned = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() @ shear
    affine[:3, :3] = (turned / np.linalg.norm(turned, axis=0))[:, order] * signs * spacing
    affine[:3, 3] = draw(st.lists(st.floats(-200, 200), min_size=3, max_size=3))
    seed = draw(st.integers(0, 2**32 - 1))
    return nifti(np.random.default_rng(seed).normal(size=(1, *shape)), affine)
