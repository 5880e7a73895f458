"""Edge-aware smoothing of a map along its image."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hrcam.maps import refine as refine_module

SHAPES = [(17,), (12, 15), (7, 8, 9)]


def refine(maps, images, reach):
    """Refine one map of each image."""
    return refine_module.refine(maps[:, None], images, reach)[:, 0]


def random_maps_and_images(shape, channels=1, batch=2):
    return torch.randn(batch, *shape), torch.randn(batch, channels, *shape)


@pytest.mark.parametrize("shape", SHAPES)
@given(reach=st.integers(0, 9))
def test_no_value_is_beyond_the_extremes_and_a_constant_stays(shape, reach):
    maps, images = random_maps_and_images(shape)
    refined = refine(maps, images, [reach, reach])
    flat = tuple(range(1, maps.ndim))
    assert (refined.amax(flat) <= maps.amax(flat) + 1e-5).all()
    assert (refined.amin(flat) >= maps.amin(flat) - 1e-5).all()
    constant = refine(torch.full_like(maps, 2.5), images, [reach, reach])
    torch.testing.assert_close(constant, torch.full_like(maps, 2.5))


@pytest.mark.parametrize("shape", SHAPES)
def test_without_reach_the_map_stays_as_it_is(shape):
    maps, images = random_maps_and_images(shape)
    torch.testing.assert_close(refine(maps, images, [0, 0]), maps, rtol=0, atol=0)


def test_one_round_by_hand(monkeypatch):
    """On an image without structure each place becomes the mean of its neighbours."""
    monkeypatch.setattr(refine_module, "_ROUNDS", 1)
    maps = torch.tensor([[0.0, 0.0, 8.0, 0.0, 4.0]])
    flat = torch.ones(1, 1, 5)
    np.testing.assert_allclose(refine(maps, flat, [1]).numpy(), [[0, 4, 0, 6, 2]])
    # Distances 1 and 2, the ends repeated: (v[i+1] + v[i-1] + v[i+2] + v[i-2]) / 4.
    np.testing.assert_allclose(refine(maps, flat, [2]).numpy(), [[2, 2, 1, 4, 4]])


def test_weights_by_hand(monkeypatch):
    """softmax(-|difference| / (0.6 sd of the neighbours)): the middle of 0, 0, 3."""
    monkeypatch.setattr(refine_module, "_ROUNDS", 1)
    image = torch.tensor([[[0.0, 0.0, 3.0]]])
    refined = refine(torch.tensor([[1.0, 0.0, 0.0]]), image, [1])
    # In units of the image's own deviation, √2, the neighbours are 0 and 3/√2 away, and these
    # two deviate by half of that.
    away = 3 / np.sqrt(2)
    share = 1 / (1 + np.exp(-away / (0.6 * (away / 2 + 1e-3))))
    assert refined[0, 1].item() == pytest.approx(share, rel=1e-5)


@pytest.mark.parametrize("shape", [(12, 16), (8, 8, 16)])
def test_an_edge_keeps_two_sides_apart(shape):
    image = torch.zeros(1, 1, *shape)
    image[..., 8:] = 5
    image += 0.05 * torch.randn(image.shape)
    seed = torch.zeros(1, *shape)
    seed[(0, *(size // 2 for size in shape[:-1]), 5)] = 1
    refined = refine(seed, image, [4])
    blurred = refine(seed, torch.ones_like(image), [4])
    across, without = (one[..., 8:].sum() / one.sum() for one in (refined, blurred))
    assert across < without / 2


@pytest.mark.parametrize("shape", [(12, 16), (6, 8, 10)])
def test_the_scale_of_the_image_does_not_count(shape):
    maps, images = random_maps_and_images(shape, channels=2)
    scale = torch.tensor([1000.0, 0.01]).reshape(1, 2, *[1] * len(shape))
    torch.testing.assert_close(
        refine(maps, images * scale + 3, [4, 4]),
        refine(maps, images, [4, 4]),
        rtol=1e-3,
        atol=1e-3,
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_mirrors_and_batches_do_not_matter(shape):
    maps, images = random_maps_and_images(shape)
    together = refine(maps, images, [2, 5])
    for index, reach in enumerate([2, 5]):
        alone = refine(maps[index : index + 1], images[index : index + 1], [reach])
        torch.testing.assert_close(alone[0], together[index])
    torch.testing.assert_close(refine(maps.flip(1), images.flip(2), [2, 5]), together.flip(1))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("together", [1, 2, 5])
def test_images_refined_together_are_refined_as_each_alone(shape, together, monkeypatch):
    """However many fit at once, and whatever reach each has."""
    maps, images = random_maps_and_images(shape, channels=2, batch=5)
    reach = [3, 0, 3, 1, 3]
    alone = [
        refine(*pair, [far])
        for *pair, far in zip(maps.split(1), images.split(1), reach, strict=True)
    ]
    monkeypatch.setattr(refine_module, "_batch_size", lambda maps: together)
    torch.testing.assert_close(refine(maps, images, reach), torch.cat(alone))


def test_several_maps_are_refined_as_each_alone():
    one, images = random_maps_and_images((12, 15))
    other = torch.randn_like(one)
    both = refine_module.refine(torch.stack([one, other], 1), images, [3, 3])
    for index, maps in enumerate((one, other)):
        torch.testing.assert_close(both[:, index], refine(maps, images, [3, 3]))


def test_more_reach_smooths_further():
    seed = torch.zeros(1, 65)
    seed[0, 32] = 1
    flat = torch.ones(1, 1, 65)
    place = torch.arange(65.0) - 32
    near, far = ((refine(seed, flat, [reach]) * place**2).sum() for reach in (1, 8))
    assert near == pytest.approx(refine_module._ROUNDS)  # each round has a variance of 1
    assert far > 10 * near


@pytest.mark.parametrize("value", [0.0, 1.0, -5.0, 100.3])
def test_a_constant_channel_says_nothing(value):
    maps, images = random_maps_and_images((12, 15))
    both = torch.cat([images, torch.full_like(images, value)], 1)
    refined = refine(maps, both, [3, 3])
    assert torch.isfinite(refined).all()
    # It makes everybody alike, by half of what counts.
    assert float(refined.std()) < float(refine(maps, images, [3, 3]).std())


def test_an_image_without_contrast_gives_finite_maps():
    maps = torch.randn(1, 9, 9)
    assert torch.isfinite(refine(maps, torch.zeros(1, 1, 9, 9), [4])).all()
