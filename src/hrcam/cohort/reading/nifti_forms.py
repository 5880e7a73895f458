"""Where a NIfTI header says that its voxels are: the sform, the qform, or neither."""

from typing import Any

from hrcam.cohort.problems import Caution, ImageError, Reason
from hrcam.cohort.reading.decoding import decoding
from hrcam.cohort.reading.geometry import (
    Affine,
    check_affine,
    corner_distance,
    format_affine,
    same_place,
    shear_cautions,
)
from hrcam.cohort.reading.headers import check_voxel_size

_UNITS = {1: "metres", 3: "micrometres"}


def nifti_affine(
    header: Any, shape: tuple[int, ...]
) -> tuple[Affine, tuple[int, int], tuple[Caution, ...]]:
    """Return the affine of a NIfTI header, its form codes, and what is odd about it.

    Parameters
    ----------
    header : nibabel.Nifti1Header
        As in the file, not mended.
    shape : tuple of int
        Of the axes of space.

    Returns
    -------
    affine : array, shape (4, 4), float64
        What nibabel gives: the sform if its code is not 0, else the qform, else voxel sizes
        alone.
    codes : tuple of int
        Codes of sform and qform.
    cautions : tuple of Caution
        No orientation, or axes that do not meet at right angles.

    Raises
    ------
    ImageError
        If voxel sizes are not positive, if an affine is singular or unreadable, or if both forms
        are given and disagree.
    """
    _check_voxel_size(header, len(shape))
    codes = (_code(header, "sform_code"), _code(header, "qform_code"))
    forms = []
    if codes[0]:
        forms.append(header.get_sform())
    if codes[1]:
        forms.append(_qform(header))
    if not forms:
        affine = header.get_base_affine()
        check_affine(affine)
        return affine, codes, (_NO_FORM,)
    for form in forms:
        check_affine(form)
    if len(forms) == 2 and not same_place(forms[0], forms[1], shape):
        raise ImageError(
            Reason.FORMS_DISAGREE,
            f"sform {format_affine(forms[0])} (code {codes[0]}) and qform "
            f"{format_affine(forms[1])} (code {codes[1]}) are up to "
            f"{corner_distance(forms[0], forms[1], shape):.4g} mm apart",
            "find out which one is right and write it as both, as in "
            "`image.set_qform(image.affine, 1)` of nibabel or `fslorient -copysform2qform`",
        )
    return forms[0], codes, shear_cautions(forms[0])


_NO_FORM = Caution(
    Reason.NO_ORIENTATION,
    "the header has neither sform nor qform: left and right are not known, and are taken to be "
    "as in nibabel",
    "convert the original data again with a program that keeps the orientation",
)


def _code(header: Any, name: str) -> int:
    from nibabel.nifti1 import xform_codes

    code = int(header[name])
    if code not in xform_codes.code:
        raise ImageError(
            Reason.UNREADABLE, f"{name} is {code}, which NIfTI does not know", "export it again"
        )
    return code


def _qform(header: Any) -> Affine:
    mended = header.copy()
    if mended["pixdim"][0] == 0:  # NIfTI: to be read as 1
        mended["pixdim"][0] = 1
    with decoding("NIfTI qform"):
        affine: Affine = mended.get_qform()
    return affine


def _check_voxel_size(header: Any, axes: int) -> None:
    check_voxel_size([float(size) for size in header["pixdim"][1 : axes + 1]])
    unit = _UNITS.get(int(header["xyzt_units"]) & 7)
    if unit:
        raise ImageError(
            Reason.VOXEL_SIZE,
            f"the header gives voxel sizes in {unit}",
            "write voxel sizes and affine in millimetres, or correct the unit (xyzt_units)",
        )
