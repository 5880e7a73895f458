"""NumPy's .npy files: a picture or a volume without a place in space."""

import io
import math
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from hrcam.cohort.image import Image
from hrcam.cohort.problems import ImageError, Reason
from hrcam.cohort.reading.decoding import decoding
from hrcam.cohort.reading.files import open_file, read_bytes
from hrcam.cohort.reading.shapes import spatial_shape

_CHANNELS = 4


def read_array(path: Path) -> Image:
    """Decode an array of numbers or truth values.

    Parameters
    ----------
    path : Path
        A file that starts as .npy does.

    Returns
    -------
    Image
        Shape (1, *spatial) without axes of length 1; the affine is the identity.

    Raises
    ------
    ImageError
        If the file is damaged, holds Python objects, complex numbers or text, or is not one
        slice or volume.
    """
    with open_file(path) as file:
        stored, dtype = _header(file)
        size = math.prod(stored) * dtype.itemsize
        start = file.tell()
        there = file.seek(0, 2) - start
        if there != size:  # before memory is taken for it
            raise ImageError(
                Reason.TRUNCATED if there < size else Reason.UNREADABLE,
                f"the header declares {size:,} bytes of values, {there:,} are there",
                "save the array again",
            )
        file.seek(0)
        content = read_bytes(file)
    with decoding("array"):
        values = np.load(io.BytesIO(content), allow_pickle=False)
    with np.errstate(over="ignore", invalid="ignore"):
        voxels = values.reshape(spatial_shape(stored)).astype(np.float32, order="C")
    return Image(voxels[None], np.eye(4), stored, "array", encoding=dtype.name)


def _header(file: BinaryIO) -> tuple[tuple[int, ...], np.dtype[Any]]:
    with decoding("header of the array"):
        version = np.lib.format.read_magic(file)
        if version == (1, 0):
            shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        else:
            shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    if dtype.kind not in "buif":
        raise ImageError(
            Reason.UNSUPPORTED,
            f"the array is of type {dtype}",
            "save truth values, integers or real numbers",
        )
    long = tuple(size for size in shape if size > 1)
    if len(shape) not in (2, 3) or (len(long) == 3 and min(long) <= _CHANNELS):
        raise ImageError(
            Reason.UNSUPPORTED,
            f"the shape of the array is {shape}: it is not clear which axes are space",
            "save one slice (rows, columns) or one volume of more than 4 slices; give each "
            "channel a file of its own",
        )
    spatial_shape(shape)
    return shape, dtype
