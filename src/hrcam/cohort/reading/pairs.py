"""Pairs of a header (.hdr) and voxels (.img): NIfTI's, and Analyze's as SPM wrote them."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from hrcam.cohort.image import Format, Image
from hrcam.cohort.problems import Caution, ImageError, Reason
from hrcam.cohort.reading.decoding import decoding
from hrcam.cohort.reading.files import is_broken_link
from hrcam.cohort.reading.geometry import Affine, check_affine, shear_cautions
from hrcam.cohort.reading.headers import check_voxel_size, scaled, stored_shape, voxel_type
from hrcam.cohort.reading.nifti import is_pair, magic_of, read_header
from hrcam.cohort.reading.nifti_forms import nifti_affine
from hrcam.cohort.reading.shapes import spatial_shape
from hrcam.cohort.reading.streams import open_stream
from hrcam.cohort.reading.suffixes import holds_voxels, partners_of, promised_format

_NO_SIDES = Caution(
    Reason.NO_ORIENTATION,
    "an Analyze file does not say which side is left: taken as SPM and nibabel do, with the first "
    "voxel at the right",
    "convert the original data to NIfTI if left and right matter",
)


def read_pair(path: Path) -> Image:
    """Decode a NIfTI or Analyze pair, gzipped or not.

    Parameters
    ----------
    path : Path
        Either file of the pair.

    Returns
    -------
    Image
        As `read_nifti` does. The affine of an Analyze pair is that of SPM's ``.mat`` file beside
        it, else what origin and voxel sizes give, with a caution.

    Raises
    ------
    ImageError
        If either file is missing or damaged, or the image is not one slice or volume of real
        numbers.
    """
    import nibabel

    header_path, voxel_path = header_file(path), voxel_file(path)
    with open_stream(header_path) as stream:
        head, version, order = read_header(stream)
    if magic_of(head, version).startswith(b"n+"):
        raise ImageError(
            Reason.WRONG_FORMAT,
            "the name is that of a header alone (.hdr), but the file is a whole NIfTI file",
            "give it the suffix .nii",
        )
    nifti = is_pair(head, version)
    kind: Any = nibabel.Spm2AnalyzeHeader
    if nifti:
        kind = nibabel.Nifti1Header if version == 1 else nibabel.Nifti2Header
    with decoding("header"):  # not mended, which nibabel does silently
        header = kind(head[: kind.sizeof_hdr], endianness=order, check=False)
    stored = stored_shape(header)
    shape, dtype = spatial_shape(stored), voxel_type(header)
    codes = (0, 0)
    if nifti:
        affine, codes, cautions = nifti_affine(header, stored)
    else:
        affine, cautions = _analyze_affine(header, voxel_path, len(stored))
    with open_stream(voxel_path) as stream:
        start, size = float(header["vox_offset"]), math.prod(shape) * dtype.itemsize
        raw = stream.take_voxels(0, start, size, least=0)
        stream.expect_end()
    voxels = scaled(np.frombuffer(raw, dtype).reshape(shape, order="F"), header)
    found: Format = "nifti" if nifti else "analyze"
    return Image(voxels[None], affine, stored, found, codes, cautions, dtype.name)


def header_file(path: Path) -> Path:
    """Return the file that has the header of an image: ``x.hdr`` of ``x.img``, else the image."""
    voxels = promised_format(path) == "analyze" and holds_voxels(path)
    return _partner(path) if voxels else path


def voxel_file(path: Path) -> Path:
    """Return the file that has the voxels of a pair, ``x.img`` of either."""
    return path if holds_voxels(path) else _partner(path)


def is_second_of_pair(path: Path) -> bool:
    """Tell a header whose voxels lie beside it: both are one image."""
    if promised_format(path) != "analyze" or holds_voxels(path):
        return False
    return _there(path) is not None


def _partner(path: Path) -> Path:
    found = _there(path)
    if found is None:
        what = "header" if holds_voxels(path) else "voxels"
        raise ImageError(
            Reason.MISSING,
            f"its {what}, {partners_of(path)[0].name}, is not beside it",
            "copy both files of the pair, or convert it to .nii.gz",
        )
    return found


def _there(path: Path) -> Path | None:
    candidates = partners_of(path)
    return next((one for one in candidates if one.is_file() or is_broken_link(one)), None)


def _analyze_affine(header: Any, voxels: Path, axes: int) -> tuple[Affine, tuple[Caution, ...]]:
    import nibabel

    check_voxel_size([float(size) for size in header["pixdim"][1 : axes + 1]])
    matrix = voxels.with_name(f"{voxels.name.split('.img')[0]}.mat")
    if matrix.is_file():  # where SPM wrote a registration
        with decoding("orientation in the .mat file"):
            image: Any = nibabel.Spm2AnalyzeImage
            affine = np.asarray(image.load(str(voxels)).affine, np.float64)
        check_affine(affine)
        return affine, shear_cautions(affine)
    affine = np.asarray(header.get_best_affine(), np.float64)
    check_affine(affine)
    return affine, (_NO_SIDES,)
