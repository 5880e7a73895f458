import numpy as np
import pytest
import torch

from hrcam.errors import InputError
from hrcam.training.images import Draws, ImageDataset


def noisy(image, draw):
    return image + torch.randn(image.shape, generator=torch.Generator().manual_seed(draw))


def dataset(count=10, transform=noisy):
    images = np.arange(count, dtype=np.float32)[:, None, None, None] * np.ones((1, 1, 4, 4), "f")
    return ImageDataset(images, np.arange(count) % 3, transform)


def test_an_index_gives_the_image_itself_and_a_draw_changes_it_reproducibly():
    data = dataset()
    assert torch.equal(data[4][0], torch.full((1, 4, 4), 4.0))
    changed, label = data[4, 17]
    assert label == 1
    assert torch.equal(changed, data[4, 17][0])
    assert not torch.equal(changed, data[4, 18][0])


def test_a_subset_of_a_subset_keeps_images_and_labels_together():
    part = dataset(transform=None).subset(np.array([9, 2, 5])).subset(np.array([2, 0]))
    assert len(part) == 2
    assert [float(part[i][0].mean()) for i in range(2)] == [5, 9]
    assert part.targets.tolist() == [5 % 3, 9 % 3]
    assert [part[i][1] for i in range(2)] == part.targets.tolist()


def test_draws_depend_on_seed_and_epoch_alone():
    def epoch(seed, number):
        draws = Draws(50, seed)
        draws.set_epoch(number)
        return list(draws)

    assert epoch(0, 3) == epoch(0, 3)
    assert epoch(0, 3) != epoch(0, 4)
    assert epoch(0, 3) != epoch(1, 3)
    assert sorted(index for index, _ in epoch(0, 3)) == list(range(50))
    assert len({draw for _, draw in epoch(0, 3)}) == 50


def test_draws_by_chance_take_as_many_images_and_rare_ones_more_often():
    draws = Draws(400, 0, np.repeat([1.0, 3.0], [300, 100]))
    taken = [index for index, _ in draws]
    assert len(taken) == 400
    assert 0.45 < np.mean(np.array(taken) >= 300) < 0.55
    assert taken == [index for index, _ in Draws(400, 0, np.repeat([2.0, 6.0], [300, 100]))]


def test_images_and_labels_must_be_as_many():
    with pytest.raises(InputError, match="3 images and 2 labels"):
        ImageDataset(np.zeros((3, 1, 4, 4), "f"), np.zeros(2, int))
