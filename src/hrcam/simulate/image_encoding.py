"""Encode the image files of a simulated cohort as PNG and NIfTI."""

import gzip
import io
import os
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

ImageFormat = Literal["png", "nifti", "bids"]
"""How images are stored: BIDS is NIfTI in a BIDS data set."""

SUFFIX: dict[ImageFormat, str] = {"png": ".png", "nifti": ".nii.gz", "bids": ".nii.gz"}

_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"
_NIFTI_HEADER = 352


Pixels = NDArray[np.float32] | NDArray[np.bool_] | NDArray[np.uint8]
"""An image from 0 to 1, a mask, or labels."""


def encode_png(image: Pixels) -> bytes:
    """Encode a slice as an 8-bit grey PNG.

    Parameters
    ----------
    image : ndarray, shape (rows, columns)
        Between 0 and 1, stored times 255; a mask becomes 0 and 255, labels stay what they are.

    Returns
    -------
    bytes
        The same for the same image.
    """
    from PIL import Image

    buffer = io.BytesIO()
    top = 1 if image.dtype == np.uint8 else 255
    stored = np.round(image * np.float32(top)).astype(np.uint8)
    Image.fromarray(stored).save(buffer, format="PNG")
    return buffer.getvalue()


def encode_nifti(image: Pixels, affine: NDArray[np.float64]) -> bytes:
    """Encode a slice or volume in MNI space as a gzipped NIfTI-1 file.

    Parameters
    ----------
    image : ndarray, shape (*spatial)
        Between 0 and 1, stored as 16-bit integers with a slope; a mask as 8-bit 0 and 1,
        labels as 8-bit whole numbers. A slice gets a third axis of length 1.
    affine : ndarray, shape (4, 4)
        From voxel indices to MNI millimetres.

    Returns
    -------
    bytes
        The same for the same image.
    """
    import nibabel

    volume = image.reshape(*image.shape, *(1,) * (3 - image.ndim))
    dtype = np.int16 if volume.dtype == np.float32 else np.uint8
    top = 1 if dtype == np.uint8 else np.iinfo(np.int16).max
    stored = np.round(volume * np.float32(top)).astype(dtype)
    nifti: Any = nibabel.Nifti1Image(stored, affine)  # type: ignore[no-untyped-call]
    nifti.header.set_slope_inter(1 / top, 0)
    nifti.header.set_xyzt_units("mm")
    nifti.header["descrip"] = b"simulated by hrcam"
    nifti.set_sform(affine, code="mni")
    nifti.set_qform(affine, code="mni")
    # Fast compression: most of an image is noise. No time stamp: the same image, the same file.
    return gzip.compress(nifti.to_bytes(), compresslevel=1, mtime=0)


def is_complete(path: Path, shape: tuple[int, ...], itemsize: int) -> bool:
    """Return whether an image file exists and is complete, without decoding it.

    Parameters
    ----------
    path : Path
        A ``.png`` or ``.nii.gz`` file.
    shape : tuple of int
        Shape of the image.
    itemsize : int
        Bytes for each voxel of a NIfTI file; a PNG file does not need it.

    Returns
    -------
    bool
        False if the file is missing, truncated or of another kind.
    """
    try:
        with path.open("rb") as file:
            start = file.read(len(_PNG_START))
            file.seek(-len(_PNG_END), os.SEEK_END)
            end = file.read()
    except OSError:
        return False
    if path.suffix == ".png":
        return start == _PNG_START and end == _PNG_END
    # A gzip file ends with the size of its content.
    size = _NIFTI_HEADER + int(np.prod(shape)) * itemsize
    return start[:2] == b"\x1f\x8b" and end[-4:] == size.to_bytes(4, "little")
