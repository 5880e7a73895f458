import pytest
import torch

from hrcam.errors import InputError
from hrcam.evaluation.model_free_maps import (
    MODEL_FREE_MAPS,
    brightness,
    centre_blob,
    darkness,
    edges,
    random_maps,
)

every_bound = pytest.mark.parametrize("bound", MODEL_FREE_MAPS.values(), ids=MODEL_FREE_MAPS)


@every_bound
@pytest.mark.parametrize("shape", [(3, 2, 12, 17), (2, 1, 7, 8, 9)])
def test_one_map_for_each_image_whatever_the_batch(bound, shape):
    images = torch.randn(shape)
    maps = bound(images)
    assert maps.shape == (shape[0], *shape[2:])
    assert torch.isfinite(maps).all()
    torch.testing.assert_close(maps, torch.cat([bound(image[None]) for image in images]))


@every_bound
def test_refuses(bound):
    with pytest.raises(InputError, match="NaN"):
        bound(torch.full((1, 1, 4, 4), torch.nan))
    with pytest.raises(InputError, match="floating point"):
        bound(torch.zeros(1, 1, 4, 4, dtype=torch.uint8))
    with pytest.raises(InputError, match="shape"):
        bound(torch.zeros(4, 4))
    with pytest.raises(InputError, match="pass a tensor"):
        bound([[1.0]])


def test_random_maps_differ_between_images_and_seeds():
    images = torch.randn(2, 1, 40, 40)
    maps = random_maps(images, seed=1)
    assert torch.equal(maps, random_maps(images, seed=1))
    others = torch.stack([maps[1], random_maps(images, seed=2)[0]])
    for other in others:
        assert abs(torch.corrcoef(torch.stack([maps[0].ravel(), other.ravel()]))[0, 1]) < 0.1
    assert 0 <= maps.min() < 0.01
    assert 0.99 < maps.max() < 1
    with pytest.raises(InputError, match="seed"):
        random_maps(images, seed=-1)


def test_centre_blob_by_hand():
    # An axis of 9: its centre is voxel 4, and voxel 0 is 4 / (9 / 4) standard deviations away.
    maps = centre_blob(torch.zeros(1, 1, 9, 5))
    assert maps[0, 4, 2] == 1
    assert maps[0, 0, 2] == pytest.approx(torch.exp(torch.tensor(-((4 / 2.25) ** 2) / 2)).item())
    assert torch.equal(maps, maps.flip(1, 2))


def test_edges_by_hand():
    # Channels that rise by 3 and by 4 a voxel: a slope of 5, far from the border.
    column = torch.arange(30.0).expand(30, 30)
    maps = edges(torch.stack([3 * column, 4 * column.T])[None])
    torch.testing.assert_close(maps[0, 8:-8, 8:-8], torch.full((14, 14), 5.0), rtol=1e-3, atol=0)
    assert edges(torch.full((1, 1, 6, 6, 6), 2.0)).abs().max() < 1e-5


def test_brightness_and_darkness():
    images = torch.randn(2, 3, 4, 5)
    torch.testing.assert_close(brightness(images), images.mean(1))
    assert torch.equal(darkness(images), -brightness(images))
