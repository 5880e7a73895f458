"""The learning curve: its law, its extrapolation, and that it says when it cannot tell."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from hrcam.errors import InputError
from hrcam.evaluation import learning_curve as module
from hrcam.evaluation.learning_curve import SizePredictions, learning_curve
from hrcam.evaluation.prediction import score_predictions
from hrcam.evaluation.prediction_arrays import PredictionArrays


def sizes_with(aucs, subjects=400, seed=0, repeats=1):
    """Predictions of the same subjects by networks of a quarter, half and all of them."""
    rng = np.random.default_rng(seed)
    labels = np.arange(subjects) % 2
    noise = rng.normal(size=subjects)
    found = []
    for share, auc in zip((0.25, 0.5, 1), aucs, strict=True):
        parts = []
        for _ in range(repeats):
            scores = (noise + rng.normal(size=subjects)) / np.sqrt(2)
            parts.append(scores + np.sqrt(2) * norm.ppf(auc) * labels)
        positive = 1 / (1 + np.exp(-np.concatenate(parts)))
        found.append(
            SizePredictions(
                share * 0.8 * subjects,
                PredictionArrays(
                    labels=np.tile(labels, repeats),
                    probabilities=np.column_stack([1 - positive, positive]),
                    scans=np.tile(np.arange(subjects), repeats).astype(str),
                    groups=np.tile(np.arange(subjects), repeats).astype(str),
                    folds=np.tile(np.arange(subjects) % 10 // 2, repeats)
                    + 5 * np.repeat(np.arange(repeats), subjects),
                    repeats=np.repeat(np.arange(repeats), subjects),
                ),
            )
        )
    return found


@pytest.mark.parametrize(("a", "b", "c"), [(0.1, 0.3, 0.5), (0.0, 0.4, 0.25), (0.2, 0.2, 1.0)])
def test_a_power_law_without_noise_is_found_and_extrapolated(a, b, c):
    numbers = np.array([20.0, 40.0, 80.0])

    def law(n):
        return a + b * (n / 20) ** -c

    found = module._power_law(numbers, law(numbers)[:, None], np.array([160.0]))
    assert found[0, 0] == pytest.approx(law(160.0), abs=1e-6)


def test_errors_that_do_not_fall_are_extrapolated_as_their_mean():
    rising = np.array([[0.2], [0.25], [0.3]])
    found = module._power_law(np.array([20.0, 40.0, 80.0]), rising, np.array([160.0]))
    assert found[0, 0] == pytest.approx(0.25)


def test_measured_values_are_those_of_the_predictions():
    sizes = sizes_with((0.7, 0.8, 0.85), subjects=60, repeats=2)
    curve = learning_curve(sizes, resamples=50)
    assert [point.subjects for point in curve.measured] == [12, 24, 48]
    for size, point in zip(sizes, curve.measured, strict=True):
        found = size.predictions
        scored = score_predictions(
            found.labels,
            found.probabilities,
            groups=found.groups,
            repeats=found.repeats,
            resamples=50,
        )
        assert point.auc.value == pytest.approx(scored.metrics["auc"].value)
    assert curve.twice.subjects == curve.fitted[-1].subjects == 96
    assert curve.gain.value > 0
    assert learning_curve(sizes, resamples=50) == curve


def test_a_rise_is_extrapolated_and_noise_is_not():
    # 1 - AUC = 0.1 + 0.15 (n / 80)^(-1/2) of 80, 160, 320 and 640 subjects.
    truth = [0.9 - 0.15 * ratio**-0.5 for ratio in (1, 2, 4, 8)]
    curve = learning_curve(sizes_with(truth[:3]), resamples=300)
    assert curve.tells
    assert curve.twice.auc.low < truth[3] < curve.twice.auc.high
    assert 0 <= curve.gain.low < truth[3] - truth[2] < curve.gain.high
    flat = learning_curve(sizes_with((0.7, 0.7, 0.7)), resamples=300)
    assert not flat.tells
    assert flat.rise.low < 0 < flat.rise.high


def test_further_repeats_narrow_the_interval_of_the_rise():
    once, often = (
        learning_curve(sizes_with((0.7, 0.75, 0.8), 100, repeats=repeats), resamples=300).rise
        for repeats in (1, 6)
    )
    assert often.high - often.low < 0.8 * (once.high - once.low)


def test_refuses_sizes_that_are_no_curve():
    sizes = sizes_with((0.7, 0.75, 0.8), 40)
    with pytest.raises(InputError, match="three or more ascending numbers of subjects, not 8, 16"):
        learning_curve(sizes[:2])
    with pytest.raises(InputError, match="ascending"):
        learning_curve(sizes[::-1])
    first = sizes[0].predictions
    other = replace(sizes[0], predictions=replace(first, labels=1 - first.labels))
    with pytest.raises(InputError, match="not of the same scans"):
        learning_curve([other, *sizes[1:]])
