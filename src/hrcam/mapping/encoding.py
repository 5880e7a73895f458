"""Encode maps in the space of their image: NIfTI for NIfTI and DICOM, else PNG or NumPy arrays."""

import gzip
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hrcam.artifacts.map_file import DataType, Scaling, Steps
from hrcam.cohort.image import PLACED, Image, ImageSpace
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
_DESCRIP = 79


@dataclass(frozen=True)
class Title:
    """What a map is called in the header of its file.

    Attributes
    ----------
    kind
        "pattern", "evidence" or "std".
    label
        Letters and digits for the class.
    """

    kind: str
    label: str


@dataclass(frozen=True)
class EncodedMap:
    """Content of a file.

    Attributes
    ----------
    content
        All bytes.
    scaling
        Of its whole numbers; None for single precision.
    """

    content: bytes
    scaling: Scaling | None = None


def suffix_of(image: ImageSpace | Image, data_type: DataType = "int16") -> str:
    """Return the file name suffix of an image's maps."""
    if image.format in PLACED:
        return ".nii.gz"
    return ".png" if data_type == "int16" and len(image.shape) == 2 else ".npy"


def encode_map(
    values: NDArray[np.float32],
    image: ImageSpace | Image,
    source: Path,
    title: Title,
    data_type: DataType = "int16",
) -> EncodedMap:
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
    title
        For a NIfTI header.
    data_type
        "int16" rounds to 1/500 of the largest absolute value. Volumes that are neither NIfTI nor
        DICOM are in single precision all the same.

    Returns
    -------
    Gzipped NIfTI in the stored shape for NIfTI and DICOM; of a picture a grey PNG of 16 bits; else
    ``.npy``.

    Raises
    ------
    InputError
        If the source has changed since the image was read, or values are not finite.
    """
    if not np.isfinite(values).all():
        raise InputError(f"the {title.kind} map has values that are NaN or infinite")
    suffix = suffix_of(image, data_type)
    if suffix == ".npy":
        buffer = io.BytesIO()
        np.save(buffer, np.ascontiguousarray(values), allow_pickle=False)
        return EncodedMap(buffer.getvalue())
    if suffix == ".png":
        return EncodedMap(*Steps.of(values).to_png())
    header = _header(image, source)
    largest = np.abs(values).max(initial=0)
    header["cal_max"], header["cal_min"] = largest, 0 if title.kind == "std" else -largest
    header["descrip"] = f"HR-CAM {title.kind} for {title.label}"[:_DESCRIP].encode()
    header.set_intent("estimate", name=f"HR-CAM {title.kind}")
    scaling = None
    stored: NDArray[Any] = values
    if data_type == "int16":
        steps = Steps.of(values)
        scaling, stored = steps.scaling, steps.numbers
        header.set_slope_inter(scaling.slope, scaling.intercept)
    return EncodedMap(_nifti(header, stored), scaling)


def encode_labels(
    labels: NDArray[np.uint16], image: ImageSpace | Image, source: Path, label: str
) -> bytes:
    """Encode a label image in the space of its image, as `encode_map` encodes a map.

    Parameters
    ----------
    labels
        Shape (*image.shape).
    image, source
        As for `encode_map`.
    label
        Letters and digits for the class.

    Returns
    -------
    Gzipped NIfTI, a grey PNG of 16 bits, or ``.npy``, where a map of whole numbers is one.

    Raises
    ------
    InputError
        If the source has changed since the image was read.
    """
    suffix, buffer = suffix_of(image), io.BytesIO()
    if suffix == ".npy":
        np.save(buffer, np.ascontiguousarray(labels), allow_pickle=False)
        return buffer.getvalue()
    if suffix == ".png":
        from PIL import Image as Pillow

        Pillow.fromarray(labels).save(buffer, format="PNG")
        return buffer.getvalue()
    header = _header(image, source)
    header["descrip"] = f"HR-CAM findings for {label}"[:_DESCRIP].encode()
    header.set_intent("label", name="HR-CAM findings")
    return _nifti(header, labels)


def _nifti(header: Any, stored: NDArray[Any]) -> bytes:
    """Encode an image with its header."""
    header["magic"], header["vox_offset"] = header.single_magic, header.sizeof_hdr + 4
    header.set_data_dtype(stored.dtype)
    no_extension = bytes(4)
    stored = stored.astype(header.get_data_dtype(), copy=False)
    content = header.binaryblock + no_extension + stored.tobytes(order="F")
    # Fast compression, because the last digits of a map are noise. No time stamp, so that the same
    # map gives the same file.
    return gzip.compress(content, compresslevel=1, mtime=0)


def _header(image: ImageSpace | Image, source: Path) -> Any:
    """Return a header with only the spatial fields of the image, and its shape.

    Raises
    ------
    InputError
        If the source has changed since the image was read.
    """
    header = _spatial_header(image, source)
    header.set_data_shape(image.stored_shape)
    if not np.array_equal(header.get_best_affine(), _single(image)):
        raise InputError(f"{source} was changed while it was mapped: run the same command again")
    return header


def _spatial_header(image: ImageSpace | Image, source: Path) -> Any:
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
