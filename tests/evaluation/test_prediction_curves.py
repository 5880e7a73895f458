from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import auc, roc_auc_score

from hrcam.errors import InputError
from hrcam.evaluation.calibration import equal_mass_bins, reliability
from hrcam.evaluation.estimate import wilson_interval
from hrcam.evaluation.prediction import score_predictions
from hrcam.evaluation.roc import roc_points


def test_reliability_worked_out_by_hand():
    positive = np.array([0.1, 0.2, 0.3, 0.7, 0.8, 0.9])
    labels = [0, 0, 1, 1, 0, 1]
    low, high = reliability(labels, np.column_stack([1 - positive, positive]), 2)
    assert (low.predicted, low.observed, low.count) == (pytest.approx(0.2), 1 / 3, 3)
    assert (high.predicted, high.observed, high.count) == (pytest.approx(0.8), 2 / 3, 3)
    assert (low.low, low.high) == wilson_interval(1, 3)
    # Of class 0 the same images are in opposite bins.
    mirrored, _ = reliability(labels, np.column_stack([1 - positive, positive]), 2, positive=0)
    assert (mirrored.predicted, mirrored.observed) == (pytest.approx(0.2), 1 / 3)


def test_reliability_of_a_calibrated_predictor_is_on_the_diagonal():
    rng = np.random.default_rng(0)
    chance = rng.dirichlet(np.ones(3), 6000)
    labels = (rng.random((6000, 1)) > chance.cumsum(1)).sum(1)
    for positive in range(3):
        table = reliability(labels, chance, 10, positive=positive)
        assert [each.count for each in table] == [600] * 10
        assert all(a.predicted < b.predicted for a, b in pairwise(table))
        inside = [each.low <= each.predicted <= each.high for each in table]
        assert sum(inside) >= 8
        error = score_predictions(labels, chance, resamples=2).by_class[str(positive)]
        gaps = [each.count * abs(each.predicted - each.observed) for each in table]
        assert error["calibration_error"].value == pytest.approx(sum(gaps) / 6000)


@given(
    st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.8, 1.0]), min_size=1, max_size=60),
    st.integers(1, 15),
)
def test_bins_keep_order_and_equal_values_together(values, bins):
    array = np.array(values)
    index = equal_mass_bins(array, bins)
    assert index.min() >= 0
    assert index.max() < bins
    for a in np.unique(array):
        assert len(set(index[array == a])) == 1
        assert index[array <= a].max() == index[array == a].max()


@given(st.integers(1, 12), st.integers(1, 30))
def test_bins_of_distinct_values_have_equal_size(bins, each):
    values = np.random.default_rng(bins * each).random(bins * each)
    assert np.bincount(equal_mass_bins(values, bins)).tolist() == [each] * bins


def test_wilson_interval_agrees_with_its_paper_and_has_a_width_at_the_ends():
    # Newcombe, Statistics in Medicine 17:857, 1998, table I, method 3.
    for successes, trials, expected in [
        (81, 263, (0.2553, 0.3662)),
        (15, 148, (0.0624, 0.1605)),
        (0, 20, (0.0, 0.1611)),
        (1, 29, (0.0061, 0.1718)),
    ]:
        assert wilson_interval(successes, trials) == pytest.approx(expected, abs=6e-5)
    assert wilson_interval(20, 20)[1] == 1
    for successes, trials in [(0, 0), (3, 2), (-1, 2)]:
        with pytest.raises(InputError, match="not a proportion"):
            wilson_interval(successes, trials)


def test_roc_worked_out_by_hand():
    positive = np.array([0.1, 0.3, 0.6, 0.6, 0.4, 0.9])
    points = roc_points([0, 0, 0, 1, 1, 1], np.column_stack([1 - positive, positive]))
    expected = [(0, 0), (0, 1 / 3), (1 / 3, 2 / 3), (1 / 3, 1), (1, 1)]
    np.testing.assert_allclose(points, expected)


@given(st.integers(0, 1000), st.integers(2, 4))
def test_area_under_the_roc_points_is_the_auc(seed, classes):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(40) % classes)
    chance = rng.dirichlet(np.ones(classes), 40).round(1) + 0.1
    chance /= chance.sum(1, keepdims=True)
    for positive in (0, -1):
        index = positive % classes
        points = roc_points(labels, chance, positive=positive)
        assert points[0].tolist() == [0, 0]
        assert points[-1].tolist() == [1, 1]
        assert (np.diff(points, axis=0) >= 0).all()
        area = auc(points[:, 0], points[:, 1])
        assert area == pytest.approx(roc_auc_score(labels == index, chance[:, index]))
        scores = score_predictions(labels, chance, resamples=2)
        assert area == pytest.approx(scores.by_class[str(index)]["auc"].value)


def test_curves_refuse():
    even = np.full((4, 2), 0.5)
    with pytest.raises(InputError, match="0 of 4 images are of class 1"):
        roc_points([0] * 4, even)
    with pytest.raises(InputError, match="4 of 4 images are of class 0"):
        roc_points([0] * 4, even, positive=0)
    with pytest.raises(InputError, match="positive is 2"):
        roc_points([0, 1, 0, 1], even, positive=2)
    with pytest.raises(InputError, match="positive is -3"):
        reliability([0, 1, 0, 1], even, positive=-3)
    with pytest.raises(InputError, match="bins must be at least 1"):
        reliability([0, 1, 0, 1], even, 0)
    with pytest.raises(InputError, match="softmax"):
        reliability([0, 1, 0, 1], even * 2)
