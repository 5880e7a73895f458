"""Channels of one scan, and masks in the grid of their image."""

import pickle
from itertools import permutations, product

import nibabel
import numpy as np
import pytest
from broken_files import oblique_affine, volume, write_nifti, write_png, write_series

from hrcam.cohort.problems import ImageError, Reason
from hrcam.cohort.reading import read_image, read_mask, read_scan
from hrcam.cohort.scan import Scan

MASK = (volume() > 800).astype(np.uint8)


def scan_of(**images):
    return Scan("sub-01", "sub-01", images)


def mask_reason(path, like):
    with pytest.raises(ImageError) as refused:
        read_mask(path, like)
    return refused.value.reason


def test_channels_are_stacked_in_order(tmp_path):
    one = write_nifti(tmp_path / "one.nii.gz", volume())
    two = write_nifti(tmp_path / "two.nii.gz", volume() * -2, codes=(0, 2))
    image = read_scan(scan_of(flair=two, t1=one))
    np.testing.assert_array_equal(image.voxels, np.stack([volume() * -2, volume()]))
    assert image.form_codes == (0, 2)
    assert image.affine.tobytes() == read_image(two).affine.tobytes()


def test_cautions_of_all_channels_are_kept_once(tmp_path):
    colour = np.random.default_rng(0).integers(0, 256, (6, 5, 3)).astype(np.uint8)
    a = write_png(tmp_path / "a.png", colour)
    b = write_png(tmp_path / "b.png", colour[..., 0])
    cautions = read_scan(scan_of(b=b, a=a, c=a)).cautions
    assert [caution.reason for caution in cautions] == [Reason.COLOUR]


@pytest.mark.parametrize("change", ["shape", "shift", "spacing", "format"])
def test_channels_of_different_grids_are_refused(tmp_path, change):
    one = write_nifti(tmp_path / "one.nii.gz")
    affine = oblique_affine()
    if change == "shift":
        affine[:3, 3] += affine[:3, 1] * 0.5
    if change == "spacing":
        affine[:3, 2] *= 1.1
    voxels = volume((9, 7, 8)) if change == "shape" else volume()
    two = write_nifti(tmp_path / "two.nii.gz", voxels, affine)
    if change == "format":
        two = tmp_path / "two.npy"
        np.save(two, voxels)
    with pytest.raises(ImageError, match=r"'t1' and 't2' differ") as refused:
        read_scan(scan_of(t1=one, t2=two))
    assert refused.value.reason == Reason.CHANNEL_MISMATCH


def test_the_channel_that_cannot_be_read_is_named(tmp_path):
    one = write_nifti(tmp_path / "one.nii.gz")
    with pytest.raises(ImageError, match="channel 't2': there is no such file") as refused:
        read_scan(scan_of(t1=one, t2=tmp_path / "none.nii"))
    assert refused.value.reason == Reason.MISSING


def test_an_error_survives_the_way_between_processes():
    error = ImageError(Reason.SLICE_GAP, "a gap", "mend it")
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.reason, copy.message, copy.advice, str(copy)) == (
        error.reason, error.message, error.advice, str(error),
    )  # fmt: skip


def test_a_mask_is_true_where_it_is_not_zero(tmp_path):
    image = read_image(write_nifti(tmp_path / "image.nii.gz"))
    for labels in (MASK, MASK * 255, MASK * np.arange(1, 10, dtype=np.uint8)[:, None, None]):
        mask = read_mask(write_nifti(tmp_path / "mask.nii.gz", labels), image)
        assert mask.dtype == np.bool_
        np.testing.assert_array_equal(mask, MASK == 1)
    assert not read_mask(write_nifti(tmp_path / "mask.nii", MASK * 0), image).any()


def test_a_mask_with_its_axes_turned_is_turned_back(tmp_path):
    image = read_image(write_nifti(tmp_path / "image.nii.gz"))
    grid = nibabel.Nifti1Image(MASK, image.affine)
    for order, signs in product(permutations(range(3)), product((1, -1), repeat=3)):
        turned = grid.as_reoriented(np.array(list(zip(order, signs, strict=True))))
        path = write_nifti(tmp_path / "mask.nii", np.asarray(turned.dataobj), turned.affine)
        np.testing.assert_array_equal(read_mask(path, image), MASK == 1)


def test_a_nifti_mask_fits_its_dicom_series_and_one_flipped(tmp_path):
    write_series(tmp_path / "series")
    image = read_image(tmp_path / "series")
    labels = (image.voxels[0] > 600).astype(np.uint8)
    path = write_nifti(tmp_path / "mask.nii.gz", labels, image.affine)
    np.testing.assert_array_equal(read_mask(path, image), labels == 1)
    flip = np.diag([1.0, -1, 1, 1])
    flip[1, 3] = labels.shape[1] - 1
    flipped = write_nifti(tmp_path / "mask.nii.gz", labels[:, ::-1], image.affine @ flip)
    np.testing.assert_array_equal(read_mask(flipped, image), labels == 1)


@pytest.mark.parametrize("stored", [(9, 8, 1), (9, 1, 8), (9, 8)])
def test_a_mask_of_a_slice(tmp_path, stored):
    labels = MASK[..., 0].reshape(stored)
    image = read_image(write_nifti(tmp_path / "image.nii", volume(stored)))
    path = write_nifti(tmp_path / "mask.nii", labels)
    np.testing.assert_array_equal(read_mask(path, image), MASK[..., 0] == 1)
    assert mask_reason(write_nifti(tmp_path / "other.nii"), image) == Reason.MASK_MISMATCH


@pytest.mark.parametrize("change", ["shape", "half a voxel", "twice as large", "other slice"])
def test_a_mask_in_another_grid_is_refused(tmp_path, change):
    image = read_image(write_nifti(tmp_path / "image.nii"))
    affine = oblique_affine()
    if change == "half a voxel":
        affine[:3, 3] += affine[:3, 0] * 0.5
    if change == "twice as large":
        affine[:3, :3] *= 2
    if change == "other slice":
        affine[:3, 3] += affine[:3, 2]
    labels = MASK[1:] if change == "shape" else MASK
    path = write_nifti(tmp_path / "mask.nii", labels, affine)
    assert mask_reason(path, image) == Reason.MASK_MISMATCH


def test_masks_of_pictures(tmp_path):
    image = read_image(write_png(tmp_path / "image.png"))
    labels = np.zeros((12, 10), np.uint8)
    labels[3:5, 6:9] = 255
    for path in (write_png(tmp_path / "mask.png", labels), tmp_path / "mask.npy"):
        if path.suffix == ".npy":
            np.save(path, labels > 0)
        np.testing.assert_array_equal(read_mask(path, image), labels > 0)
    turned = write_png(tmp_path / "turned.png", labels.T.copy())
    assert mask_reason(turned, image) == Reason.MASK_MISMATCH
    placed = write_nifti(tmp_path / "mask.nii", labels)
    assert mask_reason(placed, image) == Reason.MASK_MISMATCH


@pytest.mark.parametrize(
    "values",
    [
        volume() / 999,  # probabilities
        volume() % 100,  # as many values as a smoothed or a JPEG mask has
        -MASK.astype(np.float32),
        MASK + 1,
        MASK + MASK * 0.5 + 0.25,
    ],
)
def test_measurements_are_no_mask(tmp_path, values):
    image = read_image(write_nifti(tmp_path / "image.nii"))
    path = write_nifti(tmp_path / "mask.nii", values.astype(np.float32))
    assert mask_reason(path, image) == Reason.NOT_A_MASK
