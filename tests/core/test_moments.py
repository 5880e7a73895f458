"""Mean and standard deviation of the level maps on images of the reference, by hand."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from hrcam.head.covariance import ALL_OTHERS
from hrcam.maps import moments as moments_module
from hrcam.maps.moments import IN_CLASS, IN_NEITHER, IN_REFERENCE, LevelMoments, memberships

OTHERS = torch.tensor([[1.0, 3.0], [2.0, 6.0], [100.0, 0.0]])
IMAGE_CLASSES = [-1, -1, 0]


def moments_of(levels, image_classes, classes=1) -> LevelMoments:
    """Return the moments of level maps of shape (B, *S_l) of class 0."""
    moments = LevelMoments(np.full(classes, ALL_OTHERS), len(levels))
    which = torch.zeros(len(image_classes), 1, dtype=torch.long)
    moments.add([level[:, None] for level in levels], which, torch.tensor(image_classes))
    return moments


def test_mean_is_that_of_the_other_images_at_each_position(monkeypatch):
    monkeypatch.setattr(moments_module, "_PRIOR", 0)
    np.testing.assert_allclose(moments_of([OTHERS], IMAGE_CLASSES).mean()[0], [[1.5, 4.5]])


def test_std_is_about_the_mean_at_each_position_and_about_that_of_all(monkeypatch):
    monkeypatch.setattr(moments_module, "_PRIOR", 0)
    std = moments_of([OTHERS], IMAGE_CLASSES).std()
    expected = [(0.25 + 2.25) / 2, (4 + 0 + 1 + 9) / 4]
    np.testing.assert_allclose(std, [[np.sqrt(expected)]])


def test_few_images_shrink_the_mean_to_that_of_all_positions():
    """Two images against a prior of ten: a sixth of the way from 3 to 1.5 and to 4.5."""
    moments = moments_of([OTHERS], IMAGE_CLASSES)
    np.testing.assert_allclose(moments.mean()[0], [[2.75, 3.25]])
    values = np.array([[1, 3], [2, 6]]) - [2.75, 3.25]
    np.testing.assert_allclose(moments.std()[0, 0, 0], np.sqrt(np.mean(values**2)))


def test_with_many_images_the_mean_is_that_of_the_position():
    maps = torch.randn(4000, 6) * 0.1 + torch.arange(6.0)
    mean = moments_of([maps], [-1] * 4000).mean()[0]
    np.testing.assert_allclose(mean, [np.arange(6)], atol=0.02)


def test_without_others_the_images_of_the_class_itself_count():
    maps = torch.randn(5, 4, 4)
    moments = moments_of([maps], [0] * 5)
    overall = maps.numpy().mean()
    expected = overall + 5 / 15 * (maps.numpy().mean(0) - overall)
    np.testing.assert_allclose(moments.mean()[0], [expected], rtol=1e-5, atol=1e-6)
    std = [np.std(maps.numpy() - expected), maps.numpy().std()]
    np.testing.assert_allclose(moments.std()[0, 0], std, rtol=1e-2)


@given(batch=st.integers(1, 6))
def test_batches_do_not_matter(batch):
    generator = torch.Generator().manual_seed(batch)
    levels = [torch.randn(6, 4, 4, generator=generator), torch.randn(6, 2, 2, generator=generator)]
    image_classes = [0, -1, 0, -1, 0, -1]
    whole = moments_of(levels, image_classes)
    parts = LevelMoments(np.array([ALL_OTHERS]), 2)
    for start in range(0, 6, batch):
        some = [level[start : start + batch, None] for level in levels]
        some_classes = torch.tensor(image_classes[start : start + batch])
        parts.add(some, torch.zeros(len(some_classes), 1, dtype=torch.long), some_classes)
    for one, other in zip(parts.mean(), whole.mean(), strict=True):
        np.testing.assert_allclose(one, other)
    np.testing.assert_allclose(parts.std(), whole.std())


def test_each_class_is_compared_with_the_others():
    """Three images of the classes 0, 1 and 1, each mapped for both classes."""
    maps = torch.tensor([[[1.0], [10.0]], [[2.0], [20.0]], [[4.0], [40.0]]])
    moments = LevelMoments(np.full(2, ALL_OTHERS), 1)
    moments.add([maps], torch.tensor([[0, 1]] * 3), torch.tensor([0, 1, 1]))
    np.testing.assert_allclose(moments.mean()[0], [[3.0], [10.0]])
    np.testing.assert_allclose(moments.std(), [[[1.0, 1.0]], [[0.0, 0.0]]], atol=1e-12)


def test_images_that_are_neither_of_a_class_nor_of_its_reference_do_not_count():
    maps = torch.tensor([[[1.0]], [[2.0]], [[50.0]], [[4.0]]])
    moments = LevelMoments(np.array([2, ALL_OTHERS, ALL_OTHERS]), 1)
    moments.add([maps], torch.zeros(4, 1, dtype=torch.long), torch.tensor([0, 2, 1, 2]))
    np.testing.assert_allclose(moments.mean()[0][0], [3.0])


def test_memberships_by_hand():
    classes = torch.tensor([[0, 1, 2]] * 4)
    found = memberships(classes, torch.tensor([0, 1, 2, -1]), np.array([2, ALL_OTHERS, 0]))
    o, r, n = IN_CLASS, IN_REFERENCE, IN_NEITHER
    assert found.tolist() == [[o, r, r], [n, o, n], [r, r, o], [n, r, n]]


def test_maps_of_other_sizes_are_brought_to_the_first():
    moments = LevelMoments(np.array([ALL_OTHERS]), 1)
    for size in (4, 8, 2):
        maps = torch.full((20, 1, size, size), float(size))
        moments.add([maps], torch.zeros(20, 1, dtype=torch.long), torch.full((20,), -1))
    np.testing.assert_allclose(moments.mean()[0], np.full((1, 4, 4), 14 / 3))
