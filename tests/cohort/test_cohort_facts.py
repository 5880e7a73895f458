"""What is measured of an image: its foreground, its hash, its place in the fingerprint."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hrcam.cohort.check.examination import facts_of
from hrcam.cohort.fingerprint import take_fingerprint
from hrcam.cohort.foreground import foreground_box
from hrcam.cohort.image import Image
from hrcam.cohort.scan import Cohort, Scan
from hrcam.cohort.voxel_hash import voxel_hash


def image(voxels, affine=None, image_format="nifti"):
    voxels = np.asarray(voxels, dtype=np.float32)
    affine = np.eye(4) if affine is None else affine
    return Image(voxels[None], affine, voxels.shape, image_format)


@pytest.mark.parametrize("background", [0, -1024, 255])
@pytest.mark.parametrize("noise", [0, 1])
def test_the_foreground_is_the_box_of_the_object(background, noise):
    random = np.random.default_rng(0)
    voxels = background + noise * random.normal(size=(20, 30, 40))
    voxels[4:12, 5:20, 6:30] = 100 + random.normal(size=(8, 15, 24))
    box = foreground_box(voxels[None].astype(np.float32))
    assert box == (slice(4, 12), slice(5, 20), slice(6, 30))


def test_an_image_without_background_is_foreground_as_a_whole():
    voxels = np.random.default_rng(0).normal(size=(1, 20, 30)).astype(np.float32)
    assert foreground_box(voxels) == (slice(0, 20), slice(0, 30))


def test_a_small_object_is_found_though_percentiles_miss_it():
    voxels = np.zeros((1, 50, 50), dtype=np.float32)
    voxels[0, 7, 9:11] = 5
    assert foreground_box(voxels) == (slice(7, 8), slice(9, 11))


def test_the_box_holds_the_foreground_of_every_channel():
    voxels = np.zeros((2, 20, 20), dtype=np.float32)
    voxels[0, 2:8, 2:8] = voxels[1, 5:15, 3:5] = 1
    assert foreground_box(voxels) == (slice(2, 15), slice(2, 8))


@given(
    shape=st.lists(st.integers(1, 9), min_size=2, max_size=3),
    seed=st.integers(0, 99),
    zeros=st.floats(0, 1),
)
def test_a_box_is_never_empty_and_lies_in_the_image(shape, seed, zeros):
    random = np.random.default_rng(seed)
    voxels = np.where(random.random(shape) < zeros, 0, random.normal(size=shape))
    for part, size in zip(foreground_box(voxels[None].astype(np.float32)), shape, strict=True):
        assert 0 <= part.start < part.stop <= size


def test_the_hash_depends_on_voxels_and_shape_only():
    voxels = np.arange(24.0).reshape(2, 3, 4)
    reference = voxel_hash(image(voxels))
    assert voxel_hash(image(voxels, np.diag([2.0, 3, 4, 1]))) == reference
    assert voxel_hash(image(voxels, image_format="array")) == reference
    assert voxel_hash(image(voxels.reshape(2, 4, 3))) != reference
    voxels[0, 0, 0] = 1e-6
    assert voxel_hash(image(voxels)) != reference


def test_minus_zero_is_zero():
    voxels = np.array([[0.0, 1], [2, 3]])
    assert voxel_hash(image(np.where(voxels == 0, -0.0, voxels))) == voxel_hash(image(voxels))


def test_the_hash_does_not_depend_on_the_corner_that_a_volume_is_stored_from():
    voxels = np.random.default_rng(0).normal(size=(2, 3, 4))
    reference = voxel_hash(image(voxels))
    flipped = np.diag([-1.0, 1, 1, 1])
    assert voxel_hash(image(voxels[::-1], flipped)) == reference
    assert voxel_hash(image(voxels, flipped)) != reference  # this one is mirrored in the patient
    permuted = np.eye(4)[[2, 0, 1, 3]]  # the first stored axis runs along y, the second along z
    assert voxel_hash(image(voxels.transpose(1, 2, 0), permuted)) == reference


def test_a_nifti_slice_and_a_dicom_slice_have_one_hash():
    voxels = np.arange(12, dtype=np.float32).reshape(1, 3, 4)
    nifti = Image(voxels, np.eye(4), (3, 4, 1), "nifti")
    dicom = Image(voxels[:, ::-1, ::-1], np.diag([-1.0, -1, 1, 1]), (3, 4), "dicom")
    assert voxel_hash(nifti) == voxel_hash(dicom)


def test_a_fingerprint_by_hand():
    random = np.random.default_rng(0)
    shapes = [(4, 6), (4, 8), (10, 8)]
    facts = {}
    for number, shape in enumerate(shapes):
        voxels = image(random.normal(100 * number, 1, shape), image_format="picture")
        facts[f"s{number}"] = facts_of(f"s{number}", voxels)
    scans = tuple(
        Scan(f"s{n}", "p" if n < 2 else "q", {}, label, group="", site=site)
        for n, (label, site) in enumerate([("a", "x"), ("b", "x"), ("a", None)])
    )
    found = take_fingerprint(Cohort(None, ("image",), scans), facts)
    assert (found.scans, found.participants, found.masks) == (3, 2, 0)
    assert found.classes == {"a": 2, "b": 1}
    assert found.sites == {"x": 2, "n/a": 1}
    assert found.classes_by_site == {"n/a": {"a": 1}, "x": {"a": 1, "b": 1}}
    assert (found.formats, found.orientations) == ({"picture": 3}, {"n/a": 3})
    assert (found.shape.minimum, found.shape.median, found.shape.maximum) == (
        (4, 6), (4, 8), (10, 8),
    )  # fmt: skip
    assert found.shape.different == 3
    medians = found.intensities[0]["50%"]
    assert medians == tuple(facts[name].percentiles[0][2] for name in ("s0", "s1", "s2"))
