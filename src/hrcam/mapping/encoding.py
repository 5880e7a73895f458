"""Encode maps in the space of their image: NIfTI for NIfTI and DICOM, else NumPy arrays."""

import gzip
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from hrcam.cohort.image import PLACED, Format, Image
from hrcam.cohort.reading.geometry import shear_cautions
from hrcam.cohort.reading.pairs import header_file
from hrcam.errors import InputError

# Fields of a NIfTI header that define the space.
_GEOMETRY = (
    "pixdim", "qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d",
    "qoffset_x", "qoffset_y", "qoffset_z", "srow_x", "srow_y", "srow_z", "xyzt_units",
)  # fmt: skip
_HEADER_BYTES = 540
_SCANNER = 1


@dataclass(frozen=True, eq=False)
class ImageSpace:
    """Where the voxels of an image are: what its maps need to be written in its space.

    Attributes
    ----------
    format, shape, stored_shape, affine
        As in `hrcam.cohort.image.Image`.
    """

    format: Format
    shape: tuple[int, ...]
    stored_shape: tuple[int, ...]
    affine: NDArray[np.float64]

    @classmethod
    def of(cls, image: Image) -> Self:
        """Take it from an image, whose voxels are not kept."""
        return cls(image.format, image.shape, image.stored_shape, image.affine)


def suffix_of(image: ImageSpace | Image) -> str:
    """Return the file name suffix of an image's maps."""
    return ".nii.gz" if image.format in PLACED else ".npy"


def encode_map(values: NDArray[np.float32], image: ImageSpace | Image, source: Path) -> bytes:
    """Encode a map in the space of its image.

    Parameters
    ----------
    values
        Shape (*image.shape).
    image
        The image, or its space.
    source
        File that the image was read from. The spatial fields of a NIfTI header are copied bit by
        bit, because a recomputed quaternion would differ in its last digit.

    Returns
    -------
    Content of the file: gzipped NIfTI in the stored shape for NIfTI and DICOM, else ``.npy``.

    Raises
    ------
    InputError
        If the source has changed since the image was read.
    """
    if suffix_of(image) == ".npy":
        buffer = io.BytesIO()
        np.save(buffer, np.ascontiguousarray(values), allow_pickle=False)
        return buffer.getvalue()
    header = _header(image, source)
    header.set_data_dtype(np.float32)
    header.set_data_shape(image.stored_shape)
    if not np.array_equal(header.get_best_affine(), _single(image)):
        raise InputError(f"{source} was changed while it was mapped: run the same command again")
    header["magic"], header["vox_offset"] = header.single_magic, header.sizeof_hdr + 4
    no_extension = bytes(4)
    content = header.binaryblock + no_extension + values.tobytes(order="F")
    # Fast compression, because the last digits of a map are noise. No time stamp, so that the same
    # map gives the same file.
    return gzip.compress(content, compresslevel=1, mtime=0)


def _header(image: ImageSpace | Image, source: Path) -> Any:
    """Return a header with only the spatial fields of the image."""
    import nibabel

    kind: Any = nibabel.Nifti1Header
    if image.format != "nifti":
        header = kind()
        header.set_data_shape(image.stored_shape)
        header.set_xyzt_units("mm")
        header.set_sform(image.affine, _SCANNER)
        # A qform cannot say that axes are not at right angles, and would contradict the sform.
        header.set_qform(image.affine, 0 if shear_cautions(image.affine) else _SCANNER)
        return header
    source = header_file(source)
    with source.open("rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
    with gzip.open(source) if compressed else source.open("rb") as stream:
        head = stream.read(_HEADER_BYTES)
    if int.from_bytes(head[:4], "little") != kind.sizeof_hdr != int.from_bytes(head[:4], "big"):
        kind = nibabel.Nifti2Header
    found, header = kind(head[: kind.sizeof_hdr], check=False), kind()
    for name in _GEOMETRY:
        header[name] = found[name]
    if header["pixdim"][0] == 0:  # NIfTI: to be read as 1
        header["pixdim"][0] = 1
    return header


def _single(image: ImageSpace | Image) -> NDArray[np.float64]:
    """Return the affine in the precision of a NIfTI-1 header."""
    if image.format != "nifti":
        return image.affine.astype(np.float32).astype(np.float64)
    return image.affine
