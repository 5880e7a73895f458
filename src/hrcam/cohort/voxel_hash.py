"""One number for what an image shows, by which copies of it are found."""

import hashlib

import numpy as np
from numpy.typing import NDArray

from hrcam.cohort.image import PLACED, Image


def voxel_hash(image: Image) -> str:
    """Hash the shape and the voxels of all channels.

    An image with a place in space is first brought to the order of axes closest to right,
    anterior, superior: a series and the NIfTI file converted from it have one hash, whichever
    corner they are stored from. Position and voxel size do not count.

    Parameters
    ----------
    image
        A decoded image.

    Returns
    -------
    str
        SHA-256, 64 hexadecimal digits.
    """
    voxels = _in_anatomical_order(image)
    # Adding zero makes -0 and 0 one value, as they are in the image.
    content = np.ascontiguousarray(voxels, dtype="<f4") + np.float32(0)
    digest = hashlib.sha256(repr(content.shape).encode())
    digest.update(content.data)
    return digest.hexdigest()


def _in_anatomical_order(image: Image) -> NDArray[np.float32]:
    if image.format not in PLACED:
        return image.voxels
    from nibabel.orientations import apply_orientation, io_orientation

    spatial = (*image.stored_shape, 1, 1)[:3]
    volume = np.moveaxis(image.voxels.reshape(-1, *spatial), 0, -1)
    axes = io_orientation(image.affine)  # type: ignore[no-untyped-call]
    ordered: NDArray[np.float32] = apply_orientation(volume, axes)  # type: ignore[no-untyped-call]
    return np.moveaxis(ordered, -1, 0)
