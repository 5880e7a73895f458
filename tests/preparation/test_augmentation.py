"""Random changes in training."""

import numpy as np
import pytest
import torch
from example_images import facts

from hrcam.preparation import augmentation, choose_preparation
from hrcam.preparation.augmentation import Changes


def chosen(shape, **options):
    return choose_preparation([facts(shape, **options)], ("image",))


@pytest.fixture(params=[(32, 32), (24, 16, 32)], ids=["2d", "3d"])
def prepared(request, rng):
    preparation = chosen(request.param)
    image = torch.from_numpy(rng.normal(size=(2, *preparation.shape)).astype(np.float32))
    return preparation, image


def test_each_draw_differs_and_the_same_draw_repeats_itself(prepared):
    preparation, image = prepared
    before = image.clone()
    first, second = augmentation(preparation), augmentation(preparation)
    ones = {draw: first(image, draw) for draw in range(6)}
    for draw in reversed(range(6)):  # whatever was drawn before
        torch.testing.assert_close(second(image, draw), ones[draw], rtol=0, atol=0)
    assert not any(torch.equal(ones[0], ones[draw]) for draw in range(1, 6))
    torch.testing.assert_close(image, before, rtol=0, atol=0)


def test_results_are_plain_finite_tensors_of_the_same_shape(prepared):
    preparation, image = prepared
    augment = augmentation(preparation)
    for changed in (augment(image, draw) for draw in range(20)):
        assert type(changed) is torch.Tensor
        assert (changed.shape, changed.dtype) == (image.shape, torch.float32)
        assert changed.isfinite().all()


def half(preparation, axis):
    """An image that is bright in one half along an axis."""
    image = torch.zeros(1, *preparation.shape)
    image.narrow(1 + axis, 0, preparation.shape[axis] // 2).fill_(1)
    return image


def turned(preparation, axis, calls=60):
    """In how many calls the bright half changes its side."""
    image, augment = half(preparation, axis), augmentation(preparation)
    side = preparation.shape[axis] // 2
    halves = ((c.narrow(1 + axis, 0, side), c.narrow(1 + axis, side, side))
              for c in (augment(image, draw) for draw in range(calls)))  # fmt: skip
    return sum(bool(low.mean() < high.mean()) for low, high in halves)


def test_left_and_right_are_exchanged_in_half_of_the_calls_and_nothing_else_is():
    volume = chosen((24, 16, 32))
    assert 20 < turned(volume, 0) < 40
    assert turned(volume, 1) == turned(volume, 2) == 0
    photo = chosen((32, 32), orientation="", format="picture")
    assert 20 < turned(photo, 1) < 40
    assert turned(photo, 0) == 0
    sagittal = chosen((32, 32), orientation="AS")
    assert turned(sagittal, 0) == turned(sagittal, 1) == 0


def test_images_are_moved_as_far_as_is_asked_for():
    photo = chosen((32, 32), orientation="", format="picture")
    image = half(photo, 1)

    def edges(**asked):
        """Where the bright half ends in each row and call."""
        augment = augmentation(photo, Changes(**asked))
        return torch.cat([(augment(image, draw)[0] > image.mean()).sum(1) for draw in range(30)])

    still = edges(mirror=False, rotation=0, zoom=0, shift=0)
    assert still.unique().numel() <= 2  # of sums; noise alone changes none
    assert edges(mirror=False, rotation=0, zoom=0, shift=0.2).unique().numel() > 4


def test_thick_slices_are_not_mixed():
    """Turned within their plane only, slices that differ keep their order of brightness."""
    preparation = chosen((32, 32, 16), spacing=(1.0, 1.0, 6.0))
    levels = torch.arange(16.0).repeat(1, 32, 32, 1)
    augment = augmentation(preparation)
    for draw in range(20):
        spread = augment(levels, draw)[0, 8:-8, 8:-8].std((0, 1))
        assert spread.max() < 0.5  # noise alone; a turn of 5° would spread it by more


def test_changes_are_those_of_monai_seeded_its_own_way_with_metadata(prepared):
    """What is left out for speed, new generators and notes on every step, changes no number."""
    from monai.data.meta_obj import get_track_meta

    preparation, image = prepared
    augment, plain = augmentation(preparation), augmentation(preparation)._transform
    for draw in (0, 1, 7, 2**32 - 1):
        expected = plain.set_random_state(draw)(image)
        torch.testing.assert_close(augment(image, draw), torch.Tensor(expected), rtol=0, atol=0)
    assert get_track_meta()
