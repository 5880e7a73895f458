"""NIfTI files: decoded to the last byte, and their header taken at its word or refused."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from hrcam.cohort.image import Image
from hrcam.cohort.problems import ImageError, Reason
from hrcam.cohort.reading.decoding import decoding
from hrcam.cohort.reading.detection import nifti_version
from hrcam.cohort.reading.headers import scaled, stored_shape, voxel_type
from hrcam.cohort.reading.nifti_forms import nifti_affine
from hrcam.cohort.reading.shapes import spatial_shape
from hrcam.cohort.reading.streams import Stream, open_stream, truncated

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
    import nibabel

    with open_stream(path) as stream:
        head, version, order = read_header(stream)
        _check_single_file(head, version)
        kind: Any = nibabel.Nifti1Header if version == 1 else nibabel.Nifti2Header
        with decoding("NIfTI header"):  # not mended, which nibabel does silently
            header = kind(head, endianness=order, check=False)
        stored = stored_shape(header)
        shape, dtype = spatial_shape(stored), voxel_type(header)
        affine, codes, cautions = nifti_affine(header, stored)
        start, size = float(header["vox_offset"]), math.prod(shape) * dtype.itemsize
        raw = stream.take_voxels(len(head), start, size, least=len(head) + 4)
        stream.expect_end()
    voxels = scaled(np.frombuffer(raw, dtype).reshape(shape, order="F"), header)
    return Image(voxels[None], affine, stored, "nifti", codes, cautions, dtype.name)


def read_header(stream: Stream) -> tuple[bytes, int, str]:
    """Return the bytes of a header that starts as NIfTI's do, its version and its byte order."""
    head = stream.take(_HEADER_SIZE[1])
    version, order = nifti_version(head) or (1, "<")
    head += stream.take(_HEADER_SIZE[version] - len(head))
    if len(head) < _HEADER_SIZE[version]:
        raise truncated(f"the file ends after {len(head)} bytes, within its header")
    return head, version, order


def _check_single_file(head: bytes, version: int) -> None:
    magic = magic_of(head, version)
    if magic == (b"n+1\0", b"n+2\0")[version - 1]:
        return
    if is_pair(head, version):
        raise ImageError(
            Reason.UNSUPPORTED,
            "this is one half of a pair of files (.hdr and .img)",
            "give both files their suffixes, .hdr and .img, or convert them to .nii.gz",
        )
    raise ImageError(
        Reason.UNREADABLE if any(magic) else Reason.UNSUPPORTED,
        "the header lacks NIfTI's mark: an Analyze file, or a damaged one",
        "give an Analyze file and its voxels the suffixes .hdr and .img, or convert it to .nii.gz",
    )


def magic_of(head: bytes, version: int) -> bytes:
    """Return the four bytes that tell one file from a pair."""
    return head[344:348] if version == 1 else head[4:8]


def is_pair(head: bytes, version: int) -> bool:
    """Tell the header of a NIfTI pair."""
    return magic_of(head, version) == (b"ni1\0", b"ni2\0")[version - 1]
