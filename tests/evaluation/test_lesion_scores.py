import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from hrcam.errors import InputError
from hrcam.evaluation.estimate import wilson_interval
from hrcam.evaluation.lesion_scores import (
    detection_by,
    false_positives,
    find_lesions,
    iou,
    mass_inside,
)
from hrcam.evaluation.localisation import dice

SCORES = np.array([[0.9, 0.8, 0.7], [0.6, 0.5, -4.0]])
MASK = np.array([[True, False, True], [False, False, True]])


def test_iou_by_hand():
    # Above 0.7 lie three pixels, two of them among the mask's three: 2 / (3 + 3 − 2).
    assert iou(SCORES, MASK, 0.7) == 0.5
    assert iou(SCORES, MASK, 1.0) == 0
    assert iou(MASK, MASK, 0.5) == 1


@given(st.data())
def test_iou_and_dice_of_one_image_tell_the_same(data):
    shape = data.draw(array_shapes(min_dims=2, max_dims=3, max_side=5))
    scores = data.draw(arrays(np.float32, shape, elements=st.integers(0, 3)))
    mask = data.draw(arrays(np.bool_, shape))
    mask.flat[0] = True
    overlap = dice(scores, mask, 2)
    assert iou(scores, mask, 2) == pytest.approx(overlap / (2 - overlap))


def test_mass_by_hand():
    # 0.9 + 0.7 of 0.9 + 0.8 + 0.7 + 0.6 + 0.5; the negative pixel counts nowhere.
    assert mass_inside(SCORES, MASK) == pytest.approx(1.6 / 3.5)
    assert mass_inside(10 * SCORES, MASK) == pytest.approx(1.6 / 3.5)
    assert mass_inside(-np.ones((2, 3)), MASK) == 0
    assert mass_inside(np.full((2, 3), 7, dtype=np.uint8), MASK) == pytest.approx(0.5)


def test_false_positives_by_hand():
    scores = np.zeros((6, 6))
    scores[0, 0] = scores[1, 1] = 1  # touch at a corner: one component
    scores[4, 1:3] = 2
    assert false_positives(scores, 1).count == 2
    assert false_positives(scores, 1).share == pytest.approx(4 / 36)
    assert false_positives(scores, 1.5).count == 1
    everything = false_positives(scores, 0)
    assert (everything.count, everything.share) == (1, 1)
    nothing = false_positives(scores, 3)
    assert (nothing.count, nothing.share) == (0, 0)


def test_false_positives_in_a_volume():
    scores = np.zeros((5, 5, 5))
    scores[0, 0, 0] = scores[1, 1, 1] = scores[4, 4, 4] = 1
    assert false_positives(scores, 0.5).count == 2


@pytest.mark.parametrize("dimensions", [2, 3])
def test_lesions_by_hand(dimensions):
    line = (slice(4, 5),) * (dimensions - 1)
    mask = np.zeros((9,) * (dimensions - 1) + (40,), bool)
    mask[(*line, slice(5, 7))] = True
    mask[(*line, 30)] = True
    # A chequered background of ±1: mean 0 and standard deviation 1 over whole cells.
    image = np.where(np.indices(mask.shape).sum(0) % 2, 1.0, -1.0)
    image[mask] = 6
    image[(*line, 30)] = -3
    scores = np.zeros(mask.shape)
    scores[(*line, 6)] = 1
    large, small = find_lesions(scores, mask, image, threshold=1, voxel_volume=2.5)
    assert (large.size, small.size) == (5, 2.5)
    assert (large.detected, small.detected) == (True, False)
    assert large.contrast == pytest.approx(6, rel=0.05)
    assert small.contrast == pytest.approx(3, rel=0.05)


def test_a_lesion_is_found_by_a_component_that_matches_it():
    mask = np.zeros((12, 12), bool)
    mask[5, 5] = mask[9:12, 0:4] = True  # lesions of 1 and of 12 pixels
    scores = np.zeros(mask.shape)
    scores[5, 3:12] = 1
    scores[6, 3] = 1  # ten pixels with one of the lesion: 1 / 10
    scores[9, 0] = 2  # one pixel of twelve: 1 / 12
    small, large = find_lesions(scores, mask, scores, 1)
    assert (small.detected, large.detected) == (True, False)
    scores[6, 4] = 1  # 1 / 11
    scores[11, 3] = 2  # two components of 1 / 12 each
    small, large = find_lesions(scores, mask, scores, 1)
    assert (small.detected, large.detected) == (False, False)
    scores[9, 1] = 2  # 2 / 12
    assert find_lesions(scores, mask, scores, 1)[1].detected
    assert not any(lesion.detected for lesion in find_lesions(scores, mask, scores, 3))


def test_a_map_that_marks_everything_finds_no_lesion():
    mask = np.zeros((20, 20), bool)
    mask[3, 3] = mask[10:13, 10:13] = True
    blank, noise = np.zeros(mask.shape), np.random.default_rng(0).random(mask.shape)
    assert [lesion.detected for lesion in find_lesions(blank, mask, noise, 0)] == [False, False]
    assert [lesion.detected for lesion in find_lesions(noise, mask, noise, 0.2)] == [False, False]


def test_contrast_is_that_of_the_surroundings_without_other_lesions():
    mask = np.zeros((20, 20), bool)
    mask[5, 5] = mask[5, 8] = True
    image = np.random.default_rng(0).normal(size=mask.shape)
    image[5, 5], image[5, 8] = 4, 900
    mine = find_lesions(image, mask, image, 0)[0].contrast
    around = np.zeros_like(mask)
    around[2:9, 2:9] = True
    around &= ~mask
    assert mine == pytest.approx((4 - image[around].mean()) / image[around].std())


def test_contrast_that_is_not_defined():
    mask = np.zeros((9, 9), bool)
    mask[4, 4] = True
    assert np.isnan(find_lesions(mask, mask, mask.astype(float), 1)[0].contrast)  # flat around
    whole = np.ones((3, 3), bool)
    assert np.isnan(find_lesions(whole, whole, np.arange(9.0).reshape(3, 3), 1)[0].contrast)


def test_detection_by_size():
    sizes = [1, 2, 3, 4, 50, 60, 70, 80]
    found = [False, False, True, False, True, True, False, True]
    small, large = detection_by(sizes, found, bins=2)
    assert (small.smallest, small.largest, small.count) == (1, 4, 4)
    assert (large.smallest, large.largest, large.count) == (50, 80, 4)
    assert (small.sensitivity, large.sensitivity) == (0.25, 0.75)
    assert (small.low, small.high) == wilson_interval(1, 4)
    (whole,) = detection_by(sizes, found, bins=1)
    assert (whole.sensitivity, whole.count) == (0.5, 8)
    # Equal lesions are never parted.
    assert [b.count for b in detection_by([2, 2, 2, 2, 2, 9], [True] * 6, bins=3)] == [5, 1]


@given(st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=1), st.integers(1, 5))
def test_bins_hold_every_lesion_once(lesions, bins):
    sizes, found = zip(*lesions, strict=True)
    table = detection_by(sizes, found, bins)
    assert sum(row.count for row in table) == len(lesions)
    assert sum(row.count * row.sensitivity for row in table) == pytest.approx(sum(found))
    assert all(a.largest < b.smallest for a, b in itertools.pairwise(table))


@pytest.mark.parametrize(
    "score",
    [lambda s, m: iou(s, m, 0.5), mass_inside, lambda s, m: find_lesions(s, m, np.zeros(2), 0.5)],
)
@pytest.mark.parametrize(
    ("scores", "mask", "message"),
    [
        ([0.1, np.nan], [True, False], "NaN or infinite"),
        ([0.1, 0.2], [False, False], "mask is empty"),
        ([0.1, 0.2], [1, 0], "mask is bool"),
        ([0.1, 0.2], [[True, False]], "shape"),
    ],
)
def test_refuses_what_cannot_be_scored(score, scores, mask, message):
    with pytest.raises(InputError, match=message):
        score(np.array(scores), np.array(mask))


def test_refuses():
    with pytest.raises(InputError, match="NaN"):
        false_positives([np.nan], 0)
    with pytest.raises(InputError, match="empty"):
        false_positives(np.zeros((0, 3)), 0)
    with pytest.raises(InputError, match=r"image has shape \(3, 3\)"):
        find_lesions(SCORES, MASK, np.zeros((3, 3)), 0)
    with pytest.raises(InputError, match="NaN"):
        find_lesions(SCORES, MASK, SCORES * np.nan, 0)
    with pytest.raises(InputError, match="voxel_volume"):
        find_lesions(SCORES, MASK, SCORES, 0, voxel_volume=0)
    with pytest.raises(InputError, match="do not fit"):
        detection_by([1, 2], [True])
    with pytest.raises(InputError, match="detected is bool"):
        detection_by([1, 2], [1, 0])
    with pytest.raises(InputError, match="no lesions"):
        detection_by([], np.zeros(0, bool))
    with pytest.raises(InputError, match="1 of 2 lesions have no finite value"):
        detection_by([1, np.nan], [True, False])
    with pytest.raises(InputError, match="bins"):
        detection_by([1, 2], [True, False], bins=0)
