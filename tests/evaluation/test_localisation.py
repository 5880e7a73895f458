import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from sklearn.metrics import average_precision_score

from hrcam.errors import InputError
from hrcam.evaluation.localisation import auprc, choose_threshold, dice, pointing, score_maps

SCORES = np.array([[0.9, 0.8, 0.7], [0.6, 0.5, 0.4]])
MASK = np.array([[True, False, True], [False, False, True]])


def test_auprc_by_hand():
    # The mask's pixels are ranked 1, 3 and 6: precisions 1/1, 2/3 and 3/6.
    assert auprc(SCORES, MASK) == pytest.approx((1 + 2 / 3 + 3 / 6) / 3)


def test_auprc_counts_tied_pixels_as_one_step():
    # Three pixels tied at the top, two in the mask: precision 2/3 for both; then 3/4.
    scores = np.array([1.0, 1.0, 1.0, 0.5])
    mask = np.array([True, True, False, True])
    assert auprc(scores, mask) == pytest.approx((2 * 2 / 3 + 3 / 4) / 3)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_auprc_equals_scikit_learn(data):
    shape = data.draw(array_shapes(min_dims=1, max_dims=3, max_side=6))
    # Few distinct values, so that ties are the rule.
    dtype = data.draw(st.sampled_from([np.float32, np.float64, np.int16]))
    scores = data.draw(arrays(dtype, shape, elements=st.integers(-3, 3)))
    mask = data.draw(arrays(np.bool_, shape))
    mask.flat[data.draw(st.integers(0, mask.size - 1))] = True
    expected = average_precision_score(mask.ravel(), scores.ravel())
    assert auprc(scores, mask) == pytest.approx(expected, abs=1e-12)


def test_auprc_equals_scikit_learn_on_a_volume():
    rng = np.random.default_rng(0)
    mask = np.zeros((40, 50, 60), bool)
    mask[10:14, 20:25, 30:33] = True
    scores = (rng.normal(size=mask.shape) + 2 * mask).astype(np.float32)
    expected = average_precision_score(mask.ravel(), scores.ravel())
    assert auprc(scores, mask) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("shape", [(50,), (12, 17), (7, 8, 9)])
def test_perfect_inverted_and_constant_maps(shape):
    mask = np.random.default_rng(1).random(shape) < 0.2
    assert auprc(mask.astype(float), mask) == 1
    assert auprc(np.full(shape, 3.0), mask) == pytest.approx(mask.mean())
    assert auprc(-mask.astype(float), mask) == pytest.approx(mask.mean())
    ranks = np.argsort(np.argsort(mask.ravel(), kind="stable")).reshape(shape)
    assert auprc(-ranks, mask) < mask.mean()


def test_pointing_by_hand():
    assert pointing(SCORES, MASK) == 1
    assert pointing(-SCORES, MASK) == 1
    assert pointing(SCORES, ~MASK) == 0


def test_pointing_shares_tied_maxima():
    assert pointing([2.0, 2.0, 2.0, 0.0], np.array([True, False, False, True])) == pytest.approx(
        1 / 3
    )
    assert pointing(np.zeros(4), np.array([True, False, False, False])) == 0.25


def test_dice_by_hand():
    # Above 0.7 lie three pixels, two of them among the mask's three.
    assert dice(SCORES, MASK, 0.7) == pytest.approx(2 * 2 / (3 + 3))
    assert dice(SCORES, MASK, 0.95) == 0
    assert dice(SCORES, MASK, 0.0) == pytest.approx(2 * 3 / (6 + 3))


def test_a_negative_map_scores_like_its_shifted_twin():
    assert auprc(SCORES - 10, MASK) == auprc(SCORES, MASK)
    assert dice(SCORES - 10, MASK, 0.65 - 10) == dice(SCORES, MASK, 0.65)


def test_threshold_by_hand():
    # At 5 the first image scores 1 and the second 2/3 (mean 0.83); no other value does better.
    maps = [np.array([9, 5, 1, 0]), np.array([6, 7, 2])]
    masks = [np.array([True, True, False, False]), np.array([True, False, False])]
    threshold = choose_threshold(maps, masks)
    assert threshold == 5
    assert dice(maps[0], masks[0], threshold) == 1
    assert dice(maps[1], masks[1], threshold) == pytest.approx(2 / 3)


def test_threshold_is_as_good_as_any_value_of_the_maps():
    rng = np.random.default_rng(2)
    masks = rng.random((3, 9, 9)) < 0.2
    maps = (rng.normal(size=masks.shape) + masks).astype(np.float32)

    def mean_dice(threshold):
        return np.mean([dice(m, t, threshold) for m, t in zip(maps, masks, strict=True)])

    best = max(mean_dice(value) for value in maps.ravel())
    assert mean_dice(choose_threshold(maps, masks)) >= best - 0.01


def test_threshold_finds_a_lesion_of_a_few_voxels():
    mask = np.zeros((60, 60, 60), bool)
    mask[30, 30, 30:34] = True
    scores = np.random.default_rng(0).random(mask.shape) + mask
    assert dice(scores, mask, choose_threshold([scores], [mask])) == pytest.approx(1, abs=0.12)


def test_threshold_ignores_images_without_a_lesion():
    empty = np.zeros(4, bool)
    lesion = np.array([True, False, False, False])
    maps = [np.array([1.0, 0, 0, 0]), np.array([50.0, 60, 70, 80])]
    assert choose_threshold(maps, [lesion, empty]) == 1
    with pytest.raises(InputError, match="no image has a pixel"):
        choose_threshold(maps, [empty, empty])


def test_scores_of_several_images_of_different_shape():
    maps = [SCORES, np.array([0.0, 1.0]), np.zeros((2, 2))]
    masks = [MASK, np.array([False, True]), np.zeros((2, 2), bool)]
    scores = score_maps(maps, masks, [0.7, 2.0, 0.0])
    assert scores.scored.tolist() == [True, True, False]
    np.testing.assert_allclose(scores.auprc, [auprc(SCORES, MASK), 1, np.nan])
    np.testing.assert_allclose(scores.pointing, [1, 1, np.nan])
    np.testing.assert_allclose(scores.dice, [2 / 3, 0, np.nan])


@pytest.mark.parametrize("score", [auprc, pointing, lambda s, m: dice(s, m, 0.5)])
@pytest.mark.parametrize(
    ("scores", "mask", "message"),
    [
        ([0.1, np.nan], [True, False], "1 values that are NaN"),
        ([0.1, np.inf], [True, False], "NaN or infinite"),
        ([0.1, 0.2], [False, False], "mask is empty"),
        ([0.1, 0.2], [1, 0], "mask is bool"),
        ([0.1, 0.2], [[True, False]], "shape"),
        ([1j, 0.2], [True, False], "real numbers"),
        ([], np.zeros(0, bool), "map is empty"),
    ],
)
def test_refuses_what_cannot_be_scored(score, scores, mask, message):
    with pytest.raises(InputError, match=message):
        score(np.array(scores), np.array(mask))


def test_names_the_image_that_cannot_be_scored():
    bad = np.full(2, np.nan)
    with pytest.raises(InputError, match=r"Image 1: .*NaN"):
        score_maps([np.zeros(2), bad], [np.ones(2, bool)] * 2, 0.5)
    with pytest.raises(InputError, match="2 maps were given for 1 masks"):
        score_maps([bad, bad], [np.ones(2, bool)], 0.5)
    with pytest.raises(InputError, match="1 thresholds"):
        score_maps([np.zeros(2)] * 2, [np.ones(2, bool)] * 2, [0.5])
