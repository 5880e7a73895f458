import json
import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from hrcam.errors import InputError
from hrcam.evaluation.estimate import Estimate, bootstrap_estimate, wilson_interval
from hrcam.evaluation.prediction import paired_difference, score_predictions
from hrcam.evaluation.prediction_metrics import METRICS, ResampledMetrics

# Of the positive class; two images in each of three subjects.
LABELS = np.array([0, 0, 0, 1, 1, 1])
POSITIVE = np.array([0.1, 0.3, 0.6, 0.6, 0.4, 0.9])
PROBABILITIES = np.column_stack([1 - POSITIVE, POSITIVE])


def predictions(rng, images, classes, *, decimals=2):
    """Probabilities that know something of the labels, rounded so that there are ties."""
    labels = rng.integers(0, classes, images)
    logits = rng.normal(size=(images, classes)).round(decimals)
    logits[np.arange(images), labels] += 0.8
    odds = np.exp(logits.round(1))
    return labels, odds / odds.sum(1, keepdims=True)


def binormal(rng, images, shift):
    """Balanced labels; the positive class's score is ``shift`` standard deviations higher."""
    labels = np.arange(images) % 2
    positive = 1 / (1 + np.exp(-rng.normal(shift * labels)))
    return labels, np.column_stack([1 - positive, positive])


def test_values_worked_out_by_hand():
    scores = score_predictions(LABELS, PROBABILITIES)
    value = {name: estimate.value for name, estimate in scores.metrics.items()}
    assert scores.confusion.tolist() == [[2, 1], [1, 2]]
    assert value["accuracy"] == value["balanced_accuracy"] == pytest.approx(4 / 6)
    assert value["sensitivity"] == value["specificity"] == pytest.approx(2 / 3)
    # Of nine pairs one is the wrong way round (0.4 below 0.6) and one is a tie.
    assert value["auc"] == pytest.approx(7.5 / 9)
    squares = [0.01, 0.09, 0.36, 0.16, 0.36, 0.01]
    assert value["brier_score"] == pytest.approx(np.mean(squares))
    # Six images in ten bins: each alone, but for the two that are equal.
    assert value["calibration_error"] == pytest.approx((0.1 + 0.3 + 0.2 + 0.6 + 0.1) / 6)
    assert (scores.images, scores.subjects, scores.resamples) == (6, 6, 2000)


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_values_are_those_of_scikit_learn(classes):
    labels, probabilities = predictions(np.random.default_rng(classes), 300, classes)
    scores = score_predictions(labels, probabilities, resamples=2)
    value = {name: estimate.value for name, estimate in scores.metrics.items()}
    predicted = probabilities.argmax(1)
    positive = probabilities[:, 1] if classes == 2 else probabilities
    averaged = {"average": "binary"} if classes == 2 else {"average": "macro"}
    assert value["accuracy"] == pytest.approx(reference.accuracy_score(labels, predicted))
    assert value["balanced_accuracy"] == pytest.approx(
        reference.balanced_accuracy_score(labels, predicted)
    )
    assert value["auc"] == pytest.approx(
        reference.roc_auc_score(labels, positive, multi_class="ovr")
    )
    assert value["sensitivity"] == pytest.approx(
        reference.recall_score(labels, predicted, **averaged)
    )
    assert value["brier_score"] == pytest.approx(reference.brier_score_loss(labels, positive))
    assert (scores.confusion == reference.confusion_matrix(labels, predicted)).all()
    for index, of_class in enumerate(scores.by_class.values()):
        truth, said = labels == index, predicted == index
        assert of_class["auc"].value == pytest.approx(
            reference.roc_auc_score(truth, probabilities[:, index])
        )
        assert of_class["sensitivity"].value == pytest.approx(reference.recall_score(truth, said))
        assert of_class["specificity"].value == pytest.approx(
            reference.recall_score(truth, said, pos_label=False)
        )
    if classes == 2:
        for name, estimate in scores.by_class["1"].items():
            assert scores.metrics[name] == estimate


@pytest.mark.parametrize("classes", [2, 3])
def test_a_draw_scores_the_images_it_repeats(classes, monkeypatch):
    """Every metric in every draw equals scikit-learn's of the drawn images, written out."""
    # A few weights at a time, as with very many images.
    monkeypatch.setattr("hrcam.evaluation.prediction_metrics._MOST_WEIGHTS", 200)
    rng = np.random.default_rng(7)
    labels, probabilities = predictions(rng, 60, classes)
    subjects = rng.permutation(np.arange(60) % 25)
    draws = rng.multinomial(25, np.full(25, 1 / 25), size=12)
    weights = np.vstack([np.ones(25), draws])
    resampled = ResampledMetrics(labels, probabilities, subjects, weights)
    for row, draw in enumerate(weights.astype(int)):
        images = np.repeat(np.arange(60), draw[subjects])
        true, chance = labels[images], probabilities[images]
        predicted, positive = chance.argmax(1), chance[:, 1] if classes == 2 else chance
        expected = {
            "accuracy": reference.accuracy_score(true, predicted),
            "balanced_accuracy": reference.balanced_accuracy_score(true, predicted),
            "auc": reference.roc_auc_score(true, positive, multi_class="ovr"),
            "brier_score": reference.brier_score_loss(true, positive),
            "specificity": np.mean(
                [
                    reference.recall_score(true == index, predicted == index, pos_label=False)
                    for index in range(1 if classes == 2 else 0, classes)
                ]
            ),
        }
        for name, value in expected.items():
            assert resampled.overall(name)[row] == pytest.approx(value), name


@given(st.integers(0, 10_000), st.integers(2, 4), st.integers(1, 40), st.integers(1, 10))
def test_ranges_and_order_hold_for_any_predictions(seed, classes, images, subjects):
    rng = np.random.default_rng(seed)
    labels, probabilities = predictions(rng, images, classes, decimals=0)
    groups = rng.integers(0, subjects, images)
    scores = score_predictions(labels, probabilities, groups=groups, resamples=50)
    every = [(name, estimate) for name, estimate in scores.metrics.items()]
    every += [pair for of_class in scores.by_class.values() for pair in of_class.items()]
    for name, estimate in every:
        top = 2 if name == "brier_score" else 1
        assert (estimate.low is None) == (estimate.high is None)
        if estimate.value is None:
            assert estimate.low is None
        else:
            assert 0 <= estimate.value <= top
        if estimate.low is not None:
            assert 0 <= estimate.low <= estimate.high <= top
    order = rng.permutation(images)
    again = score_predictions(
        labels[order], probabilities[order], groups=groups[order], resamples=50
    )
    for name, estimate in scores.metrics.items():
        for end in ("value", "low", "high"):
            first, second = getattr(estimate, end), getattr(again.metrics[name], end)
            assert first == second or first == pytest.approx(second), name


def test_the_interval_of_the_auc_covers_the_truth_about_as_often_as_it_says():
    shift = 1.2
    truth, rng = NormalDist().cdf(shift / math.sqrt(2)), np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        auc = score_predictions(*binormal(rng, 120, shift), resamples=400).metrics["auc"]
        covered += auc.low <= truth <= auc.high
    assert 0.9 <= covered / 200 <= 0.99


def test_only_an_interval_over_subjects_covers_the_truth_where_images_repeat_subjects():
    rng, groups = np.random.default_rng(1), np.repeat(np.arange(40), 8)
    labels = groups % 2
    covered = {"subjects": 0, "images": 0}
    for _ in range(100):
        # Right or wrong is a matter of the subject, in 70 % of them.
        right = np.repeat(rng.random(40) < 0.7, 8)
        chance = np.where(right, labels, 1 - labels) * 0.6 + 0.2
        both = labels, np.column_stack([1 - chance, chance])
        for name, subjects in (("subjects", groups), ("images", None)):
            accuracy = score_predictions(*both, groups=subjects, resamples=200).metrics["accuracy"]
            covered[name] += accuracy.low <= 0.7 <= accuracy.high
    assert covered["subjects"] >= 88
    assert covered["images"] <= 70


def test_repeating_the_images_of_every_subject_changes_no_interval():
    labels, probabilities = predictions(np.random.default_rng(3), 50, 3)
    names = [f"sub-{i:02d}" for i in range(50)]
    once = score_predictions(labels, probabilities, groups=names)
    thrice = score_predictions(
        np.repeat(labels, 3), np.repeat(probabilities, 3, axis=0), groups=np.repeat(names, 3)
    )
    assert (thrice.images, thrice.subjects) == (150, 50)
    for name in ("accuracy", "balanced_accuracy", "auc", "sensitivity", "brier_score"):
        a, b = once.metrics[name], thrice.metrics[name]
        assert [a.value, a.low, a.high] == pytest.approx([b.value, b.low, b.high])


def test_repeats_are_scored_alone_and_averaged_over_the_same_subjects():
    rng = np.random.default_rng(3)
    labels, first = binormal(rng, 60, 1.0)
    second = binormal(rng, 60, 1.0)[1]
    groups = np.arange(60) // 2
    one, other = (score_predictions(labels, each, groups=groups) for each in (first, second))
    both = {
        "labels": np.tile(labels, 2),
        "groups": np.tile(groups, 2),
        "repeats": np.repeat([1, 2], 60),
    }
    found = score_predictions(probabilities=np.concatenate([first, second]), **both)
    for metric in METRICS:
        mean = (one.metrics[metric].value + other.metrics[metric].value) / 2
        assert found.metrics[metric].value == pytest.approx(mean)
    assert (found.confusion == one.confusion + other.confusion).all()
    assert (found.images, found.subjects, found.repeats) == (60, 30, 2)
    # The same predictions again are no further evidence.
    same = score_predictions(probabilities=np.concatenate([first, first]), **both)
    assert same.metrics["auc"] == one.metrics["auc"]
    assert same.metrics["auc"].high > same.metrics["auc"].low
    difference = paired_difference(
        both["labels"],
        np.concatenate([first, second]),
        np.concatenate([second, first]),
        "auc",
        groups=both["groups"],
        repeats=both["repeats"],
    )
    assert difference == Estimate(0)
    with pytest.raises(InputError, match="Repeats have 40 to 80 predictions"):
        score_predictions(
            probabilities=np.concatenate([first, first]),
            **both | {"repeats": np.repeat([1, 2], (40, 80))},
        )
    with pytest.raises(InputError, match=r"Repeats have shape \(3,\)"):
        score_predictions(labels, first, repeats=[1, 2, 3])


def test_same_seed_same_intervals():
    labels, probabilities = predictions(np.random.default_rng(4), 40, 2)
    first, again, other = (score_predictions(labels, probabilities, seed=s) for s in (1, 1, 2))
    assert first.metrics == again.metrics
    assert first.metrics["auc"] != other.metrics["auc"]
    assert first.metrics["auc"].value == other.metrics["auc"].value


def test_a_class_without_images_leaves_none_where_it_is_needed():
    labels, probabilities = predictions(np.random.default_rng(5), 60, 3)
    kept = labels != 1
    scores = score_predictions(labels[kept], probabilities[kept], classes=["a", "b", "c"])
    for name in ("balanced_accuracy", "auc", "sensitivity"):
        assert scores.metrics[name] == Estimate(None, undefined=2000), name
    for name in ("accuracy", "specificity", "calibration_error", "brier_score"):
        assert scores.metrics[name].low is not None, name
    assert scores.by_class["b"]["sensitivity"].value is None
    assert scores.by_class["b"]["auc"].value is None
    assert scores.by_class["b"]["specificity"].value is not None
    assert scores.by_class["a"]["auc"].low is not None
    assert json.loads(json.dumps(scores.to_json(), allow_nan=False))["auc"] == {
        "value": None,
        "low": None,
        "high": None,
    }


def test_draws_that_lack_a_class_are_left_out_and_counted():
    labels, probabilities = binormal(np.random.default_rng(6), 200, 0.5)
    few = np.r_[np.flatnonzero(labels == 0), np.flatnonzero(labels == 1)[:4]]
    auc = score_predictions(labels[few], probabilities[few]).metrics["auc"]
    # Chance to draw none of 4 among 104.
    assert auc.undefined / 2000 == pytest.approx((1 - 4 / 104) ** 104, abs=0.01)
    assert 0 < auc.low < auc.value < auc.high <= 1


def test_one_subject_of_a_class_has_no_interval():
    labels, probabilities = binormal(np.random.default_rng(7), 60, 0.5)
    labels = (np.arange(60) == 1).astype(int)
    auc = score_predictions(labels, probabilities).metrics["auc"]
    assert 0 < auc.value < 1
    assert auc.low is None
    assert 600 < auc.undefined < 850  # 1 / e of 2000 is 736


def test_one_image():
    scores = score_predictions([1], [[0.2, 0.8]])
    assert scores.metrics["accuracy"] == Estimate(1.0, *wilson_interval(1, 1))
    assert scores.metrics["auc"] == scores.metrics["specificity"] == Estimate(None)
    assert scores.metrics["brier_score"] == Estimate(pytest.approx(0.04))
    assert (scores.subjects, scores.resamples) == (1, 0)


def test_certainty_gets_an_interval_with_a_width_or_none():
    labels = np.repeat([0, 1], 10)
    groups = np.repeat(np.arange(10), 2)
    scores = score_predictions(labels, np.eye(2)[labels] * 0.8 + 0.1, groups=groups)
    assert scores.metrics["accuracy"] == Estimate(1.0, *wilson_interval(10, 10))
    # Some draws of ten subjects hold none of the five of a class.
    sensitivity = scores.metrics["sensitivity"]
    assert (sensitivity.low, sensitivity.high) == wilson_interval(5, 5)
    assert sensitivity.low == pytest.approx(0.5655, abs=1e-4)
    assert scores.metrics["auc"].value == 1
    assert scores.metrics["auc"].low is None
    assert scores.metrics["brier_score"] == Estimate(pytest.approx(0.01))
    wrong = score_predictions(labels, np.eye(2)[1 - labels]).metrics["accuracy"]
    assert wrong == Estimate(0.0, *wilson_interval(0, 20))


def calibrated(rng, images):
    positive = rng.random(images)
    labels = (rng.random(images) < positive).astype(int)
    return labels, np.column_stack([1 - positive, positive])


def calibration_error(labels, probabilities, resamples):
    scores = score_predictions(labels, probabilities, resamples=resamples)
    return scores.metrics["calibration_error"]


def test_calibration_error_is_biased_upwards_the_less_the_more_images():
    rng = np.random.default_rng(8)
    assert calibration_error(*calibrated(rng, 100), 2).value > 0.05
    labels, probabilities = calibrated(rng, 20_000)
    assert calibration_error(labels, probabilities, 2).value < 0.012
    # Odds three times too extreme: an error of the predictor, not of the sample.
    odds = probabilities**3
    sure = odds / odds.sum(1, keepdims=True)
    expected = np.abs(sure - probabilities).mean()
    assert calibration_error(labels, sure, 2).value == pytest.approx(expected, abs=0.01)


def test_resampling_does_not_shift_the_interval_of_the_calibration_error():
    rng = np.random.default_rng(9)
    errors = [calibration_error(*calibrated(rng, 100), 200) for _ in range(20)]
    assert all(error.low < error.value < error.high for error in errors)
    shifts = [(error.low + error.high) / 2 - error.value for error in errors]
    assert abs(np.mean(shifts)) < 0.01  # 0.04 before the correction


def test_paired_difference_is_narrower_than_that_of_unpaired_images():
    rng = np.random.default_rng(9)
    labels = np.arange(150) % 2
    score = rng.normal(labels)
    chances = [1 / (1 + np.exp(-s)) for s in (score, score + 0.7 * rng.normal(size=150))]
    better, worse = (np.column_stack([1 - c, c]) for c in chances)
    difference = paired_difference(labels, better, worse, "auc")
    single = [score_predictions(labels, each).metrics["auc"] for each in (better, worse)]
    assert difference.value == pytest.approx(single[0].value - single[1].value)
    assert difference.low < difference.value < difference.high
    unpaired = math.hypot(*(each.high - each.low for each in single))
    assert difference.high - difference.low < 0.8 * unpaired
    swapped = paired_difference(labels, worse, better, "auc")
    assert (swapped.low, swapped.high) == pytest.approx((-difference.high, -difference.low))
    grouped = paired_difference(labels, better, worse, "auc", groups=np.arange(150) // 6)
    assert grouped.value == difference.value
    assert grouped != difference


@pytest.mark.parametrize("metric", METRICS)
def test_a_predictor_does_not_differ_from_itself(metric):
    labels, probabilities = predictions(np.random.default_rng(10), 40, 3)
    difference = paired_difference(labels, probabilities, probabilities, metric, resamples=100)
    assert (difference.value, difference.low, difference.high) == (0, None, None)


def test_json_has_every_number_and_the_names_of_the_classes():
    labels, probabilities = predictions(np.random.default_rng(11), 80, 3)
    scores = score_predictions(labels, probabilities, classes=["benign", "malignant", "normal"])
    written = json.loads(json.dumps(scores.to_json(), allow_nan=False))
    for name in METRICS:
        assert written[name] == {
            end: getattr(scores.metrics[name], end) for end in ("value", "low", "high")
        }
    assert list(written["per_class"]) == ["benign", "malignant", "normal"]
    assert written["per_class"]["normal"]["auc"]["high"] == scores.by_class["normal"]["auc"].high
    assert np.sum(written["confusion"]) == written["images"] == 80
    assert written["undefined"]["auc"] == 0


def test_bootstrap_estimate_needs_values_in_nine_tenths_of_the_resamples():
    drawn = np.r_[np.linspace(0, 1, 90), np.full(10, np.nan)]
    assert bootstrap_estimate(0.5, drawn) == Estimate(
        0.5, pytest.approx(0.025), pytest.approx(0.975), undefined=10
    )
    drawn[0] = np.nan
    assert bootstrap_estimate(0.5, drawn) == Estimate(0.5, undefined=11)
    assert bootstrap_estimate(0.5, np.full(100, 0.5)) == Estimate(0.5)
    assert bootstrap_estimate(np.nan, drawn) == Estimate(None, undefined=11)


@pytest.mark.parametrize(
    ("labels", "probabilities", "message"),
    [
        ([], np.empty((0, 2)), "no prediction to score"),
        ([0, 1], [[0.5, 0.5]], r"\(2,\) and probabilities \(1, 2\)"),
        ([0, 1], [0.2, 0.8], r"one column per class.*\(1 - p, p\)"),
        ([0, 1], [[0.2], [0.8]], "one column per class"),
        ([[0], [1]], np.full((2, 2), 0.5), "use .images,. and .images, classes."),
        ([0, 2], np.full((2, 2), 0.5), "1 of 2 labels are not from 0 to 1"),
        ([0, -1], np.full((2, 2), 0.5), "1 of 2 labels are not from 0 to 1"),
        ([0.0, 1.0], np.full((2, 2), 0.5), "whole numbers"),
        (["a", "b"], np.full((2, 2), 0.5), "whole numbers"),
        ([0, 1], [[0.5, 0.5], [np.nan, 0.5]], "1 of 2 images are NaN"),
        ([0, 1], [[0.5, 0.5], [np.inf, 0.5]], "1 of 2 images are NaN or infinite"),
        ([0, 1], [[0.5, 0.5], [3.0, -1.0]], r"1 of 2 images .*apply a softmax"),
        ([0, 1], [[0.5, 0.5], [1.5, -0.5]], "1 of 2 images are negative"),
        ([0, 1], [[0.5, 0.5], [0.5, 0.4]], "off by up to 0.1"),
        ([0, 1], [["a", "b"], ["c", "d"]], "real numbers"),
    ],
)
def test_refuses_predictions(labels, probabilities, message):
    with pytest.raises(InputError, match=message):
        score_predictions(labels, probabilities)


def test_takes_what_a_softmax_in_half_precision_gives():
    logits = np.random.default_rng(12).normal(0, 3, size=(500, 4)).astype(np.float16)
    odds = np.exp(logits - logits.max(1, keepdims=True))
    half = odds / odds.sum(1, keepdims=True)
    assert half.dtype == np.float16
    assert score_predictions(np.arange(500) % 4, half, resamples=2).images == 500


def test_refuses_groups_names_and_metrics_that_do_not_fit():
    with pytest.raises(InputError, match="Groups have shape"):
        score_predictions(LABELS, PROBABILITIES, groups=["a"])
    for missing in (None, math.nan):
        with pytest.raises(InputError, match="1 of 6 images have no group"):
            score_predictions(LABELS, PROBABILITIES, groups=["a", "b", "c", "d", "e", missing])
    with pytest.raises(InputError, match="2 different names"):
        score_predictions(LABELS, PROBABILITIES, classes=["same", "same"])
    with pytest.raises(InputError, match="2 different names"):
        score_predictions(LABELS, PROBABILITIES, classes=["one"])
    with pytest.raises(InputError, match="resamples"):
        score_predictions(LABELS, PROBABILITIES, resamples=0)
    with pytest.raises(InputError, match="'f1': use one of accuracy"):
        paired_difference(LABELS, PROBABILITIES, PROBABILITIES, "f1")
    with pytest.raises(InputError, match="differ in shape"):
        paired_difference(LABELS, PROBABILITIES, np.full((6, 3), 1 / 3), "auc")
