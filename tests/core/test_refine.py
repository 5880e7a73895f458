"""Edge-aware smoothing of a map along its image."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hrcam import refine
from hrcam.errors import InputError
from hrcam.maps.refine import averaging_matrix

SHAPES = [(1,), (17,), (12, 15), (7, 1), (7, 8, 9)]


def random_maps_and_images(shape, channels=1, batch=2):
    return torch.randn(batch, *shape), torch.randn(batch, channels, *shape)


@pytest.mark.parametrize("shape", SHAPES)
@given(seed=st.integers(0, 99))
def test_no_value_is_beyond_the_extremes_and_a_constant_stays(shape, seed):
    torch.manual_seed(seed)
    maps, images = random_maps_and_images(shape)
    refined = refine(maps, images)
    flat = tuple(range(1, maps.ndim))
    assert (refined.amax(flat) <= maps.amax(flat)).all()
    assert (refined.amin(flat) >= maps.amin(flat)).all()
    constant = torch.full_like(maps, 2.5)
    torch.testing.assert_close(refine(constant, images), constant)


@pytest.mark.parametrize("shape", [(32, 48), (16, 16, 32)])
def test_an_edge_keeps_two_sides_apart(shape):
    image = torch.zeros(1, 1, *shape)
    image[..., shape[-1] // 2 :] = 5
    image += 0.05 * torch.randn(image.shape)
    seed = torch.zeros(1, *shape)
    seed[(0, *(size // 2 for size in shape[:-1]), shape[-1] // 2 - 2)] = 1
    refined, blurred = refine(seed, image), refine(seed, torch.ones_like(image))
    across, without = (one[..., shape[-1] // 2 :].sum() / one.sum() for one in (refined, blurred))
    assert without > 0.1
    assert across < without / 2


def test_a_region_of_one_intensity_is_filled():
    """A response inside a bright region spreads over it, and little beyond."""
    image = 0.05 * torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    image[..., 24:36, 24:36] += 2
    seed = torch.zeros(1, 64, 64)
    seed[:, 28:32, 28:32] = 1
    refined = refine(seed, image)[0]
    inside = torch.zeros(64, 64, dtype=torch.bool)
    inside[24:36, 24:36] = True
    around = torch.zeros_like(inside)
    around[22:38, 22:38] = True
    assert refined[inside].mean() > 5 * refined[around & ~inside].mean()
    corner, seeded = refined[25, 25], refined[29:31, 29:31].mean()
    assert corner > 0.1 * seeded


@pytest.mark.parametrize("shape", [(12, 16), (6, 8, 10)])
def test_the_scale_of_a_channel_does_not_count(shape):
    maps, images = random_maps_and_images(shape, channels=2)
    scale = torch.tensor([1000.0, 0.01]).reshape(1, 2, *[1] * len(shape))
    torch.testing.assert_close(
        refine(maps, images * scale + 3), refine(maps, images), rtol=1e-3, atol=1e-3
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_mirrors_and_batches_do_not_matter(shape):
    maps, images = random_maps_and_images(shape, batch=3)
    maps[0] = maps[0].abs() + 5  # wide, which the others are not
    together = refine(maps, images)
    for index in range(3):
        alone = refine(maps[index : index + 1], images[index : index + 1])
        torch.testing.assert_close(alone[0], together[index])
    if shape[0] % 2 == 0 or shape[0] == 1:
        torch.testing.assert_close(refine(maps.flip(1), images.flip(2)), together.flip(1))


def test_several_maps_are_refined_as_each_alone():
    one, images = random_maps_and_images((12, 15))
    other = torch.randn_like(one)
    both = refine(torch.stack([one, other], 1), images)
    for index, maps in enumerate((one, other)):
        torch.testing.assert_close(both[:, index], refine(maps, images))


def test_twice_the_resolution_gives_the_same_map():
    """Cells are shares of the image."""
    generator = torch.Generator().manual_seed(0)
    maps = torch.rand(1, 4, 4, generator=generator)
    images = torch.rand(1, 1, 4, 4, generator=generator)
    small, large = (
        refine(
            maps.repeat_interleave(size, 1).repeat_interleave(size, 2),
            images.repeat_interleave(size, 2).repeat_interleave(size, 3),
        )
        for size in (32, 64)
    )
    halved = large.unfold(1, 2, 2).unfold(2, 2, 2).mean((-1, -2))
    assert (halved - small).abs().mean() < 0.01 * maps.std()


def test_wide_maps_are_smoothed_further():
    image = torch.zeros(1, 1, 128)
    place = torch.arange(128)
    narrow = torch.zeros(1, 128)
    narrow[:, 60:68] = 1
    wide = torch.zeros(1, 128)
    wide[:, 30:100] = 1
    # How far a step spreads beyond its end.
    reach_narrow = refine(narrow, image)[0][place >= 68].sum()
    reach_wide = refine(wide, image)[0][place >= 100].sum()
    assert reach_wide > 1.5 * reach_narrow > 0


@pytest.mark.parametrize("value", [0.0, 1.0, -5.0, 100.3])
def test_a_constant_channel_says_nothing(value):
    maps, images = random_maps_and_images((12, 15))
    both = torch.cat([images, torch.full_like(images, value)], 1)
    torch.testing.assert_close(refine(maps, both), refine(maps, images), rtol=1e-4, atol=1e-4)


def test_an_image_without_contrast_gives_a_plain_blur():
    maps = torch.randn(1, 9, 9)
    refined = refine(maps, torch.zeros(1, 1, 9, 9))
    assert torch.isfinite(refined).all()
    assert 0 < refined.std() < maps.std()


def test_half_precision_is_refined_in_single():
    maps, images = random_maps_and_images((16, 16))
    refined = refine(maps.half(), images.half())
    assert refined.dtype == torch.float32
    torch.testing.assert_close(refined, refine(maps, images), rtol=0.02, atol=0.02)
    assert refine(maps.double(), images).dtype == torch.float64


@pytest.mark.parametrize("shape", [(2, 12, 14), (3, 12, 15), (12, 15), (2, 1, 1, 12, 15)], ids=str)
def test_maps_that_do_not_lie_on_the_images_are_refused(shape):
    with pytest.raises(InputError, match="pass maps"):
        refine(torch.zeros(shape), torch.zeros(2, 1, 12, 15))


def test_the_input_is_untouched():
    maps, images = random_maps_and_images((12, 15))
    copies = maps.clone(), images.clone()
    refine(maps, images)
    torch.testing.assert_close((maps, images), copies, rtol=0, atol=0)


def test_averaging_by_hand():
    np.testing.assert_allclose(averaging_matrix(4, 2, 0), [[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]])
    third = 1 / 1.5
    np.testing.assert_allclose(
        averaging_matrix(3, 2, 0), [[third, third / 2, 0], [0, third / 2, third]]
    )
    np.testing.assert_allclose(
        averaging_matrix(3, 3, 1), np.array([[3, 1, 0], [1, 2, 1], [0, 1, 3]]) / 4
    )


@given(size=st.integers(1, 40), cells=st.integers(1, 40), blurs=st.integers(0, 3))
def test_averages_keep_a_constant_and_mirror(size, cells, blurs):
    matrix = averaging_matrix(size, min(size, cells), blurs)
    np.testing.assert_allclose(matrix.sum(1), 1)
    np.testing.assert_allclose(matrix[::-1, ::-1], matrix, atol=1e-12)
    assert (matrix >= 0).all()
