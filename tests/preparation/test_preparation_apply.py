"""What the network sees: intensities, padding, and refusals."""

import numpy as np
import pytest
from example_images import nifti, picture
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from hrcam.cohort.problems import ImageError, Reason
from hrcam.errors import InputError
from hrcam.preparation import Preparation


def preparation(shape=(16, 16, 16), **changes):
    settings = {
        "dimensions": len(shape), "channels": ("t1",), "in_channels": 1, "shape": shape,
        "spacing": (1.0,) * len(shape), "orientation": "RAS", "left_right": 0,
        "crop_to_foreground": True,
    }  # fmt: skip
    return Preparation(**(settings | changes))


pictures = {"spacing": None, "orientation": "stored", "crop_to_foreground": False}


def skull_stripped(rng, size=20):
    """Tissue of 5 × 6 × 7 voxels in a corner of nothing."""
    volume = np.zeros((size, size, size))
    volume[2:7, 3:9, 10:17] = rng.uniform(100, 200, (5, 6, 7))
    return volume


@given(st.floats(1e-4, 1e6), st.floats(-1e3, 1e3))
def test_units_of_the_scanner_do_not_matter(gain, offset):
    voxels = skull_stripped(np.random.default_rng(0))
    one = preparation().apply(nifti(voxels[None])).voxels
    # An offset that dwarfs the contrast would leave single precision nothing to tell apart.
    other = preparation().apply(nifti(gain * (voxels + offset)[None])).voxels
    np.testing.assert_allclose(other, one, atol=2e-3)


def test_the_foreground_has_mean_0_and_deviation_1_and_stands_in_the_middle(rng):
    voxels = skull_stripped(rng)
    prepared = preparation().apply(nifti(voxels[None])).voxels[0]
    tissue = prepared > prepared.min() + 0.1
    places = np.argwhere(tissue)
    assert places.min(0).tolist() == [5, 5, 4]
    assert places.max(0).tolist() == [9, 10, 10]
    assert prepared[tissue].mean() == pytest.approx(0, abs=1e-4)
    assert prepared[tissue].std() == pytest.approx(1, abs=0.02)


def test_padding_continues_the_background_and_is_0_where_there_is_none(rng):
    stripped = preparation((32, 32, 32)).apply(nifti(skull_stripped(rng)[None]))
    background = stripped.voxels[0][4, 4, 3]  # a voxel of the image, outside the tissue
    np.testing.assert_allclose(stripped.voxels[0][~stripped.inside], background, atol=1e-5)
    assert background < -4  # 0, where the tissue has 100 to 200
    crop = preparation((32, 32, 32)).apply(nifti(rng.normal(size=(1, 20, 20, 20))))
    assert crop.inside.sum() == 20**3
    assert (crop.voxels[0][~crop.inside] == 0).all()


def test_the_centre_of_the_foreground_comes_from_all_channels(rng):
    first, second = np.zeros((2, 20, 20, 20))
    first[2:6, 8:12, 8:12] = rng.uniform(1, 2, (4, 4, 4))
    second[10:14, 8:12, 8:12] = rng.uniform(1, 2, (4, 4, 4))
    both = preparation(in_channels=2, channels=("a", "b")).apply(nifti([first, second]))
    occupied = np.argwhere((both.voxels > both.voxels.min((1, 2, 3), keepdims=True) + 0.1).any(0))
    assert (occupied.min(0)[0], occupied.max(0)[0]) == (2, 13)


def test_channels_are_scaled_each_on_their_own(rng):
    voxels = rng.normal(size=(2, 16, 16, 16)) * np.array([1, 1000]).reshape(2, 1, 1, 1)
    prepared = preparation(in_channels=2, channels=("a", "b")).apply(nifti(voxels)).voxels
    np.testing.assert_allclose(prepared.std((1, 2, 3)), 1, atol=1e-3)


def test_one_wild_voxel_does_not_flatten_the_others(rng):
    voxels = rng.normal(size=(1, 16, 16, 16))
    calm = preparation().apply(nifti(voxels)).voxels
    voxels[0, 0, 0, 0] = 1e30
    wild = preparation().apply(nifti(voxels)).voxels
    np.testing.assert_allclose(wild[0, 1:], calm[0, 1:], atol=0.01)
    assert wild.max() < 4


def test_a_background_of_minus_32768_does_not_flatten_tissue(rng):
    voxels = skull_stripped(rng)
    voxels[voxels == 0] = -32768
    prepared = preparation().apply(nifti(voxels[None])).voxels
    assert -8 < prepared.min() < -4
    assert prepared[prepared > -3].std() == pytest.approx(1, abs=0.02)


def test_air_with_noise_is_background(rng):
    voxels = skull_stripped(rng, 32) + np.abs(rng.normal(0, 1, (32, 32, 32)))
    prepared = preparation().apply(nifti(voxels[None])).voxels[0]
    assert prepared[5:10, 5:11, 4:11].mean() == pytest.approx(0, abs=0.01)


def test_a_mask_and_rare_dots_still_vary():
    mask = np.zeros((1, 16, 16, 16))
    mask[0, 4:9, 4:9, 4:9] = 7
    assert np.ptp(preparation().apply(nifti(mask)).voxels) > 1
    dots = np.ones((1, 16, 16, 16))
    dots[0, 8, 8, 8] = 2
    assert np.ptp(preparation().apply(nifti(dots)).voxels) > 1


@pytest.mark.parametrize("value", [0, 1, -3.7, 1e8])
def test_a_constant_channel_is_refused(value):
    with pytest.raises(ImageError, match="all 512 voxels") as caught:
        preparation().apply(nifti(np.full((1, 8, 8, 8), value)))
    assert caught.value.reason is Reason.CONSTANT


def test_images_that_do_not_fit_the_network_are_refused(rng):
    cases = [
        (nifti(rng.normal(size=(1, 8, 8))), preparation(), Reason.MIXED_DIMENSIONS),
        (nifti(rng.normal(size=(2, 8, 8, 8))), preparation(), Reason.CHANNEL_MISMATCH),
        (picture(rng.normal(size=(1, 8, 8))), preparation((16, 16)), Reason.WRONG_FORMAT),
    ]
    for image, prepare, reason in cases:
        with pytest.raises(ImageError) as caught:
            prepare.apply(image)
        assert caught.value.reason is reason


def test_pictures_of_any_size_become_one_size_and_their_maps_come_back(rng):
    prepare = preparation((32, 48), **pictures)
    for size in [(7, 5), (32, 48), (250, 301), (1, 40)]:
        prepared = prepare.apply(picture(rng.normal(size=(1, *size))))
        assert prepared.voxels.shape == (1, 32, 48)
        assert prepared.voxels.dtype == np.float32
        back = prepared.to_native(np.ones((2, 32, 48)))
        np.testing.assert_allclose(back, np.ones((2, *size)))


def test_maps_keep_their_precision_and_must_be_on_the_grid(rng):
    prepared = preparation().apply(nifti(rng.normal(size=(1, 8, 9, 10))))
    for dtype in (np.float32, np.float64):
        back = prepared.to_native(np.ones((3, 16, 16, 16), dtype))
        assert (back.shape, back.dtype) == ((3, 8, 9, 10), dtype)
    with pytest.raises(InputError, match=r"\(16, 16, 16\)"):
        prepared.to_native(np.ones((16, 16)))


def test_the_same_image_gives_the_same_numbers(rng):
    image = nifti(rng.normal(size=(1, 21, 18, 25)), np.diag([0.8, 1.1, 1.3, 1]))
    first, second = preparation().apply(image), preparation().apply(image)
    np.testing.assert_array_equal(first.voxels, second.voxels)


def test_a_preparation_survives_json():
    for one in (preparation(spacing=(1 / 3, 0.1, 2.0)), preparation((32, 48), **pictures)):
        assert Preparation.model_validate_json(one.model_dump_json()) == one


@pytest.mark.parametrize(
    "changes",
    [
        {"shape": (16, 16), "dimensions": 3}, {"spacing": (1.0, 1.0)}, {"spacing": (1.0, 0.0, 1.0)},
        {"spacing": (1.0, float("nan"), 1.0)}, {"left_right": 3}, {"channels": ()},
        {"clip_percentiles": (99.0, 1.0)}, {"zoom": 2}, {"dimensions": 4}, {"shape": (16, 16, 0)},
    ],
)  # fmt: skip
def test_a_preparation_that_contradicts_itself_is_refused(changes):
    with pytest.raises(ValidationError):
        preparation(**changes)
