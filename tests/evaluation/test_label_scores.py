"""Scores of several labels at once, on the images of which each is known."""

import numpy as np
import pytest

from hrcam.errors import InputError
from hrcam.evaluation.label_scores import label_differences, score_labels
from hrcam.evaluation.prediction import score_predictions
from hrcam.evaluation.prediction_metrics import METRICS

ANSWERS = np.random.default_rng(1).integers(0, 2, (60, 2)).astype(float)
ANSWERS[::7, 1] = np.nan
NOISE = np.random.default_rng(2).uniform(size=(60, 2))
PROBABILITIES = 0.6 * NOISE + 0.4 * np.nan_to_num(ANSWERS, nan=0.5)


@pytest.mark.parametrize("label", [0, 1])
def test_each_label_scores_as_two_classes_on_the_images_of_which_it_is_known(label):
    found = score_labels(ANSWERS, PROBABILITIES, ("a", "b"), resamples=50)
    known = ~np.isnan(ANSWERS[:, label])
    having = PROBABILITIES[known, label]
    alone = score_predictions(
        ANSWERS[known, label].astype(int), np.stack([1 - having, having], 1), resamples=50
    )
    ours = found.by_label["ab"[label]]
    assert {name: one.value for name, one in ours.items()} == pytest.approx(
        {name: one.value for name, one in alone.metrics.items()}
    )
    assert found.with_label["ab"[label]] == (ANSWERS[:, label] == 1).sum()
    assert found.without_label["ab"[label]] == (ANSWERS[:, label] == 0).sum()


def test_means_are_over_labels_in_the_same_resamples():
    found = score_labels(ANSWERS, PROBABILITIES, ("a", "b"), resamples=200)
    for metric in METRICS:
        values = [found.by_label[name][metric].value for name in "ab"]
        assert found.mean[metric].value == pytest.approx(np.mean(values))
    twice = score_labels(
        np.repeat(ANSWERS[:, :1], 2, 1), np.repeat(PROBABILITIES[:, :1], 2, 1), ("a", "b"),
        resamples=200,
    )  # fmt: skip
    auc = twice.by_label["a"]["auc"]
    assert (twice.mean["auc"].low, twice.mean["auc"].high) == pytest.approx((auc.low, auc.high))


def test_a_rate_of_one_has_wilsons_interval_and_a_label_nobody_has_no_auc():
    answers = np.array([[1.0, 0], [0, 0], [1, 0], [0, 0]])
    found = score_labels(answers, answers, ("a", "b"), resamples=20)
    sensitivity = found.by_label["a"]["sensitivity"]
    assert (sensitivity.value, sensitivity.high) == (1, 1)
    assert sensitivity.low == pytest.approx(0.3424, abs=1e-3)  # two subjects
    assert found.by_label["b"]["auc"].value is None
    assert found.mean["auc"].value is None


def test_differences_are_those_of_the_means():
    other = PROBABILITIES[::-1]
    found = label_differences(ANSWERS, PROBABILITIES, other, ("a", "b"), resamples=20)
    one, two = (score_labels(ANSWERS, p, ("a", "b"), resamples=20) for p in (PROBABILITIES, other))
    assert found["auc"].value == pytest.approx(one.mean["auc"].value - two.mean["auc"].value)


@pytest.mark.parametrize(
    ("answers", "probabilities", "message"),
    [
        ([[0, 1]], [[0.5]], "shape"),
        ([[0, 2]], [[0.5, 0.5]], "none of 0, 1"),
        ([[0, 1]], [[0.5, 1.5]], "between 0 and 1"),
        ([[0, 1, 1]], [[0.5, 0.5, 0.5]], "3 columns and 2 names"),
    ],
)
def test_what_cannot_be_scored_is_refused(answers, probabilities, message):
    with pytest.raises(InputError, match=message):
        score_labels(answers, probabilities, ("a", "b"))
