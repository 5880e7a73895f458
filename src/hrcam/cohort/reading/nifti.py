"""NIfTI files: decoded to the last byte, and their header taken at its word or refused."""

import gzip
import math
import zlib
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from hrcam.cohort.image import Image
from hrcam.cohort.problems import ImageError, Reason
from hrcam.cohort.reading.decoding import decoding
from hrcam.cohort.reading.detection import (
    nifti_version,
    open_file,
    read_bytes,
    unreadable,
)
from hrcam.cohort.reading.nifti_forms import nifti_affine
from hrcam.cohort.reading.shapes import check_not_empty, spatial_shape

_DEFLATE_RATIO = 1032  # no gzip stream expands further
_CHUNK = 1 << 20
_HEADER_SIZE = {1: 348, 2: 540}


def read_nifti(path: Path) -> Image:
    """Decode a NIfTI-1 or NIfTI-2 file, gzipped or not.

    Parameters
    ----------
    path : Path
        A file that starts as NIfTI does.

    Returns
    -------
    Image
        Voxels with the file's scale factors applied, in the file's order of axes; axes of length
        1 are left out. The affine is the sform if its code is not 0, else the qform, else what
        the voxel sizes give, with a caution.

    Raises
    ------
    ImageError
        If the file is damaged, is not one slice or volume of real numbers, or is not placed in
        space in one way only.
    """
    with open_file(path) as file:
        compressed = read_bytes(file, 2) == b"\x1f\x8b"
        size = file.seek(0, 2)
        file.seek(0)
        stream = cast(BinaryIO, gzip.GzipFile(fileobj=file)) if compressed else file
        return _decode(stream, size * _DEFLATE_RATIO if compressed else size)


def _decode(stream: BinaryIO, capacity: int) -> Image:
    header = _header(stream)
    stored = _stored_shape(header)
    shape = spatial_shape(stored)
    dtype = _dtype(header)
    affine, codes, cautions = nifti_affine(header, stored)
    raw = _raw_voxels(stream, header, math.prod(shape) * dtype.itemsize, capacity)
    _expect_end(stream)
    voxels = _scaled(np.frombuffer(raw, dtype).reshape(shape, order="F"), header)
    return Image(voxels[None], affine, stored, "nifti", codes, cautions)


def _take(stream: BinaryIO, size: int) -> bytes:
    """Return the next bytes, fewer at the end; there gzip's checksum is compared."""
    try:
        return stream.read(size)
    except EOFError as error:
        raise _truncated("the compressed data end early") from error
    except (zlib.error, gzip.BadGzipFile) as error:
        raise ImageError(
            Reason.UNREADABLE,
            f"the compressed data are damaged, or something else follows them ({error})",
            "copy or export the file again",
        ) from error
    except OSError as error:
        raise unreadable(error) from error


def _header(stream: BinaryIO) -> Any:
    """Return nibabel's header, which has not been mended: its mending is silent."""
    import nibabel

    head = _take(stream, _HEADER_SIZE[1])
    version, order = nifti_version(head) or (1, "<")
    head += _take(stream, _HEADER_SIZE[version] - len(head))
    if len(head) < _HEADER_SIZE[version]:
        raise _truncated(f"the file ends after {len(head)} bytes, within its header")
    magic = head[344:348] if version == 1 else head[4:8]
    if magic != (b"n+1\0", b"n+2\0")[version - 1]:
        pair = magic in (b"ni1\0", b"ni2\0")
        raise ImageError(
            Reason.UNSUPPORTED if pair or not any(magic) else Reason.UNREADABLE,
            "this is one half of a pair of files (.hdr and .img)"
            if pair
            else "the header lacks NIfTI's mark: an Analyze file, or a damaged one",
            "convert it to .nii.gz, where the orientation is kept",
        )
    kind: Any = nibabel.Nifti1Header if version == 1 else nibabel.Nifti2Header
    with decoding("NIfTI header"):
        return kind(head, endianness=order, check=False)


def _stored_shape(header: Any) -> tuple[int, ...]:
    axes = int(header["dim"][0])
    if not 1 <= axes <= 7:
        raise ImageError(
            Reason.UNREADABLE, f"the header declares {axes} axes", "copy or export it again"
        )
    shape = tuple(int(size) for size in header["dim"][1 : axes + 1])
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


def _dtype(header: Any) -> np.dtype[Any]:
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


def _raw_voxels(stream: BinaryIO, header: Any, size: int, capacity: int) -> bytes:
    position = header.sizeof_hdr
    start, least = float(header["vox_offset"]), position + 4
    if not (least <= start < 2**62 and start.is_integer()):
        raise ImageError(
            Reason.UNREADABLE,
            f"the header says that the voxels start at byte {start:g}; {least} is the first "
            "place possible",
            "copy or export the file again",
        )
    if start + size > capacity:  # before memory is taken for it
        raise _truncated(
            f"the header declares {size:,} bytes of voxels, the file holds {capacity:,} at most"
        )
    skipped = _take(stream, int(start) - position)
    raw = _take(stream, size)
    if len(skipped) < start - position or len(raw) < size:
        raise _truncated(f"{len(raw):,} of {size:,} bytes of voxels are there")
    return raw


def _expect_end(stream: BinaryIO) -> None:
    """Read what follows the voxels: gzip's checksum, padding with zeros, and nothing else."""
    surplus = 0
    while chunk := _take(stream, _CHUNK):
        surplus += len(chunk) if any(chunk) else 0
    if surplus:
        raise ImageError(
            Reason.UNREADABLE,
            f"about {surplus:,} bytes follow the voxels that the header declares",
            "the header or the data are damaged: export the image again",
        )


def _scaled(stored: NDArray[Any], header: Any) -> NDArray[np.float32]:
    with decoding("NIfTI scale factor"):
        slope, intercept = header.get_slope_inter()
    # What does not fit float32 becomes infinite here, and is refused with the rest of that kind.
    with np.errstate(over="ignore", invalid="ignore"):
        if slope is not None and (slope, intercept) != (1, 0):
            stored = stored.astype(np.float64) * slope + intercept
        return stored.astype(np.float32, order="C")


def _truncated(message: str) -> ImageError:
    return ImageError(Reason.TRUNCATED, message, "copy or download the file again")
