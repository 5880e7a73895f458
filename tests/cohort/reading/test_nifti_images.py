"""NIfTI: voxels and affine as nibabel gives them, and what a header must not say."""

import gzip

import nibabel
import numpy as np
import pytest
from broken_files import cut, oblique_affine, sheared, volume, write_nifti
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from hrcam.cohort.problems import ImageError, Reason
from hrcam.cohort.reading import read_image


def reason_for(path):
    with pytest.raises(ImageError) as refused:
        read_image(path)
    return refused.value.reason


@pytest.mark.parametrize("codes", [(1, 1), (2, 0), (0, 1), (4, 1), (0, 0)])
@pytest.mark.parametrize("name", ["x.nii", "x.nii.gz"])
def test_voxels_and_affine_are_those_of_nibabel(tmp_path, codes, name):
    path = write_nifti(tmp_path / name, codes=codes)
    image, reference = read_image(path), nibabel.load(path)
    assert image.affine.dtype == np.float64
    assert image.affine.tobytes() == reference.affine.tobytes()
    assert image.voxels.dtype == np.float32
    assert image.voxels.flags.c_contiguous
    np.testing.assert_array_equal(image.voxels, reference.get_fdata()[None])
    assert (image.format, image.form_codes) == ("nifti", codes)
    assert image.stored_shape == image.shape == (9, 8, 7)
    if any(codes):
        assert image.spacing == pytest.approx((0.8, 1.1, 3.0), abs=1e-6)
        assert not image.cautions


def test_the_sform_is_used_before_the_qform(tmp_path):
    nearly = oblique_affine()
    nearly[0, 3] += 1e-3
    path = write_nifti(tmp_path / "x.nii", affine=nearly, qform=oblique_affine())
    assert read_image(path).affine[0, 3] == np.float32(nearly[0, 3])


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("dtype", ["u1", "i2", "u4", "i8", "u8", "f4", "f8"])
def test_versions_byte_orders_and_types(tmp_path, kind, order, dtype):
    voxels = volume().astype(np.dtype(dtype).newbyteorder(order))
    header = kind.header_class(endianness=order)
    image = kind(voxels, oblique_affine(), header, dtype=voxels.dtype)
    image.to_filename(tmp_path / "x.nii.gz")
    read = read_image(tmp_path / "x.nii.gz")
    np.testing.assert_array_equal(read.voxels[0], voxels)
    assert read.affine.tobytes() == nibabel.load(tmp_path / "x.nii.gz").affine.tobytes()


def test_scale_factors_are_applied(tmp_path):
    path = write_nifti(tmp_path / "x.nii", scl_slope=0.5, scl_inter=-3)
    np.testing.assert_array_equal(read_image(path).voxels[0], volume() * 0.5 - 3)


@pytest.mark.parametrize(
    ("stored", "shape", "spacing"),
    [
        ((6, 5), (6, 5), (0.8, 1.1)),
        ((6, 5, 1), (6, 5), (0.8, 1.1)),
        ((6, 1, 5), (6, 5), (0.8, 3.0)),
        ((1, 6, 5), (6, 5), (1.1, 3.0)),
        ((6, 5, 1, 1), (6, 5), (0.8, 1.1)),
        ((6, 5, 4, 1), (6, 5, 4), (0.8, 1.1, 3.0)),
    ],
)
def test_axes_of_length_one_are_left_out(tmp_path, stored, shape, spacing):
    voxels = volume(stored)
    image = read_image(write_nifti(tmp_path / "x.nii.gz", voxels))
    assert (image.shape, image.stored_shape) == (shape, stored[:3])
    np.testing.assert_array_equal(image.voxels[0], voxels.reshape(shape))
    assert image.spacing == pytest.approx(spacing, abs=1e-6)


def test_neither_form_is_accepted_with_a_caution(tmp_path):
    (caution,) = read_image(write_nifti(tmp_path / "x.nii", codes=(0, 0))).cautions
    assert caution.reason == Reason.NO_ORIENTATION


def test_shear_is_accepted_with_a_caution_that_names_the_angle(tmp_path):
    image = read_image(sheared(tmp_path))
    (caution,) = image.cautions
    assert caution.reason == Reason.SHEARED_AFFINE
    # The axes are (2, 0, 0) and (0.5, 2, 0): atan(0.5 / 2) off the right angle.
    assert "14.04 degrees" in caution.message
    assert image.affine[0, 1] == 0.5


@given(
    angles=st.tuples(*[st.floats(-1, 1)] * 3),
    half_turn=st.sampled_from([(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]),
    mirrored=st.booleans(),
    nearly=st.sampled_from([1.0, 1e-2, 1e-4, 1e-6]),
)
def test_both_forms_of_one_rigid_affine_agree(
    tmp_path_factory, angles, half_turn, mirrored, nearly
):
    path = tmp_path_factory.mktemp("forms") / "x.nii"
    turn = Rotation.from_rotvec(np.array(angles) * nearly) * Rotation.from_rotvec(
        np.array(half_turn) * np.pi
    )
    affine = np.eye(4)
    affine[:3, :3] = turn.as_matrix() @ np.diag([-0.7 if mirrored else 0.7, 0.9, 4.0])
    affine[:3, 3] = 100, -120, 33
    read_image(write_nifti(path, affine=affine))

    moved = affine.copy()
    moved[:3, 3] += affine[:3, 0]  # by one voxel
    assert reason_for(write_nifti(path, affine=affine, qform=moved)) == Reason.FORMS_DISAGREE
    swapped = affine @ np.diag([-1, 1, 1, 1])
    assert reason_for(write_nifti(path, affine=affine, qform=swapped)) == Reason.FORMS_DISAGREE


@pytest.mark.parametrize(
    ("reason", "header"),
    [
        (Reason.VOXEL_SIZE, {"pixdim": [1, 1, -1, 1, 0, 0, 0, 0]}),
        (Reason.VOXEL_SIZE, {"pixdim": [1, 1, np.nan, 1, 0, 0, 0, 0]}),
        (Reason.VOXEL_SIZE, {"xyzt_units": 3}),
        (Reason.UNREADABLE, {"sform_code": 77}),
        (Reason.UNREADABLE, {"qform_code": -1}),
        (Reason.UNREADABLE, {"quatern_b": 3}),
        (Reason.UNREADABLE, {"vox_offset": 100}),
        (Reason.UNREADABLE, {"vox_offset": np.nan}),
        (Reason.TRUNCATED, {"vox_offset": 1e9}),
        (Reason.TRUNCATED, {"vox_offset": 368}),
        (Reason.UNREADABLE, {"dim": [3, 9, 8, 6, 1, 1, 1, 1]}),
        (Reason.UNREADABLE, {"dim": [9, 9, 8, 7, 1, 1, 1, 1]}),
        (Reason.UNSUPPORTED, {"dim": [1, 504, 1, 1, 1, 1, 1, 1]}),
        (Reason.UNSUPPORTED, {"dim": [5, 9, 8, 1, 1, 7, 1, 1]}),
        (Reason.EMPTY, {"dim": [3, -9, 8, 7, 1, 1, 1, 1]}),
        (Reason.UNSUPPORTED, {"datatype": 128}),  # RGB
        (Reason.UNSUPPORTED, {"datatype": 1536}),  # 128-bit
        (Reason.UNSUPPORTED, {"datatype": 4242}),
        (Reason.UNSUPPORTED, {"magic": b"ni1\0"}),
        (Reason.UNSUPPORTED, {"magic": b"\0\0\0\0"}),
        (Reason.UNREADABLE, {"scl_slope": 2, "scl_inter": np.inf}),
        (Reason.NOT_FINITE, {"scl_slope": 3e38, "scl_inter": 0}),
        (Reason.SINGULAR_AFFINE, {"srow_x": [np.nan, 0, 0, 0]}),
    ],
)
def test_a_header_that_cannot_be_right_is_refused(tmp_path, reason, header):
    assert reason_for(write_nifti(tmp_path / "x.nii", **header)) == reason


def test_padding_with_zeros_is_accepted_and_other_surplus_is_not(tmp_path):
    path = write_nifti(tmp_path / "x.nii")
    whole = path.read_bytes()
    expected = read_image(path).voxels
    for padded in (whole + b"\0" * 100, gzip.compress(whole) + b"\0" * 100):
        path.write_bytes(padded)
        np.testing.assert_array_equal(read_image(path).voxels, expected)
    path.write_bytes(whole + b"\0" * 100 + b"\1")
    assert reason_for(path) == Reason.UNREADABLE


def test_a_damaged_checksum_is_refused(tmp_path):
    path = write_nifti(tmp_path / "x.nii.gz")
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    assert reason_for(path) == Reason.UNREADABLE


def test_the_message_counts_what_is_not_finite(tmp_path):
    voxels = volume().astype(np.float32)
    voxels[0, 0, :3] = np.nan
    voxels[1, 1, :2] = np.inf
    path = write_nifti(tmp_path / "x.nii.gz", voxels)
    with pytest.raises(ImageError, match="of 504 voxels, 3 are NaN and 2 are infinite"):
        read_image(path)


def test_header_alone_is_truncated(tmp_path):
    assert reason_for(cut(write_nifti(tmp_path / "x.nii"), 0.2)) == Reason.TRUNCATED
