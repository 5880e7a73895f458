"""What headers of NIfTI, Analyze and MGH have in common: shape, type and scale of the voxels."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hrcam.cohort.problems import ImageError, Reason
from hrcam.cohort.reading.decoding import decoding
from hrcam.cohort.reading.shapes import check_not_empty


def stored_shape(header: Any) -> tuple[int, ...]:
    """Return the axes of space of a NIfTI or Analyze header, up to three.

    Raises
    ------
    ImageError
        If there is no voxel, or there are several for each place.
    """
    axes = int(header["dim"][0])
    if not 1 <= axes <= 7:
        raise ImageError(
            Reason.UNREADABLE, f"the header declares {axes} axes", "copy or export it again"
        )
    shape = tuple(int(size) for size in header["dim"][1 : axes + 1])
    return one_volume(shape)


def one_volume(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the first three axes of a shape.

    Raises
    ------
    ImageError
        If there is no voxel, or there are several for each place.
    """
    check_not_empty(shape)
    if math.prod(shape[4:]) > 1:
        raise ImageError(
            Reason.UNSUPPORTED,
            f"the shape is {shape}: several values for each voxel",
            "write one of them as a volume of its own",
        )
    if math.prod(shape[3:]) > 1:
        raise ImageError(
            Reason.TIME_AXIS,
            f"the shape is {shape}: {shape[3]} volumes in one file",
            "pick one, as in `nibabel.load(file).slicer[..., 0].to_filename(new)`, or average them",
        )
    return shape[:3]


def voxel_type(header: Any) -> np.dtype[Any]:
    """Return the type of the voxels of a NIfTI or Analyze header, in its byte order.

    Raises
    ------
    ImageError
        If they are not one real number each, of at most 64 bits.
    """
    from nibabel.nifti1 import data_type_codes

    codes: Any = data_type_codes
    code = int(header["datatype"])
    known = code in codes.dtype
    dtype: np.dtype[Any] = np.dtype(codes.dtype[code] if known else np.void)
    if dtype.kind not in "uif" or dtype.itemsize > 8:
        name = codes.label[code] if known else "unknown"
        raise ImageError(
            Reason.UNSUPPORTED,
            f"the voxels are of type {name} (datatype {code})",
            "write the image with one real number of at most 64 bits for each voxel",
        )
    return dtype.newbyteorder(header.endianness)


def scaled(stored: NDArray[Any], header: Any) -> NDArray[np.float32]:
    """Apply the scale factors of a header."""
    with decoding("scale factor"):
        slope, intercept = header.get_slope_inter()
    slope, intercept = (1 if slope is None else slope), (intercept or 0)
    # What does not fit float32 becomes infinite here, and is refused with the rest of that kind.
    with np.errstate(over="ignore", invalid="ignore"):
        if (slope, intercept) != (1, 0):
            stored = stored.astype(np.float64) * slope + intercept
        return stored.astype(np.float32, order="C")


def check_voxel_size(sizes: list[float]) -> None:
    """Refuse voxel sizes that are zero, negative or not numbers."""
    if not all(np.isfinite(size) and size > 0 for size in sizes):
        raise ImageError(
            Reason.VOXEL_SIZE,
            f"the voxel size in the header is {' x '.join(f'{size:g}' for size in sizes)} mm",
            "write the true voxel size into the header (pixdim)",
        )
