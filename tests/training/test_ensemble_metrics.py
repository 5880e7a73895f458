"""What the networks of all repeats predict together, beside each alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hrcam.evaluation.prediction import score_predictions
from hrcam.evaluation.prediction_arrays import PredictionArrays
from hrcam.training.ensemble_metrics import ensemble_metrics, mean_over_repeats


def repeated(labels, repeats, orders=None):
    """Return predictions of the positive class, (R, N), each repeat in an order of its own."""
    positive = np.asarray(repeats, float)
    count, scans = positive.shape
    orders = orders or [range(scans)] * count
    rows = np.concatenate([np.asarray(order) for order in orders])
    values = np.concatenate([one[list(order)] for one, order in zip(positive, orders, strict=True)])
    return PredictionArrays(
        labels=np.asarray(labels)[rows],
        probabilities=np.column_stack([1 - values, values]),
        scans=rows.astype(str),
        groups=rows.astype(str),
        folds=np.repeat(np.arange(count), scans),
        repeats=np.repeat(np.arange(1, count + 1), scans),
    )


def test_means_of_two_networks_that_err_on_different_scans():
    # Each network alone ranks one patient below one control; their mean ranks all right.
    found = repeated([0, 0, 1, 1], [[0.1, 0.5, 0.4, 0.9], [0.5, 0.1, 0.9, 0.4]])
    assert mean_over_repeats(found)[:, 1] == pytest.approx([0.3, 0.3, 0.65, 0.65] * 2)
    scores = ensemble_metrics(found, ("control", "patient"), 0)
    assert scores["networks"] == 2
    assert scores["pooled"]["auc"]["value"] == 1
    assert scores["minus_single"]["auc"]["value"] == pytest.approx(1 - 3 / 4)
    assert scores["pooled"]["accuracy"]["value"] == 1
    assert scores["minus_single"]["accuracy"]["value"] == pytest.approx(1 / 4)


@given(st.permutations(range(6)), st.integers(0, 100))
def test_the_order_of_the_scans_in_a_repeat_does_not_matter(order, seed):
    positive = np.random.default_rng(seed).random((2, 6))
    labels = [0, 1] * 3
    one = repeated(labels, positive, [range(6), order])
    means = dict(zip(one.scans[6:], mean_over_repeats(one)[6:, 1], strict=True))
    assert [means[str(scan)] for scan in range(6)] == pytest.approx(positive.mean(0))


def test_networks_that_agree_gain_nothing():
    rng = np.random.default_rng(0)
    labels, positive = np.arange(40) % 2, rng.random(40)
    found = repeated(labels, [positive] * 3)
    scores = ensemble_metrics(found, ("a", "b"), 0)
    alone = score_predictions(labels, np.column_stack([1 - positive, positive]), seed=0)
    for metric, one in scores["minus_single"].items():
        assert one["value"] == pytest.approx(0, abs=1e-12)
        assert scores["pooled"][metric]["value"] == pytest.approx(alone.metrics[metric].value)


def test_one_repeat_is_no_ensemble():
    assert ensemble_metrics(repeated([0, 1], [[0.1, 0.9]]), ("a", "b"), 0) is None
