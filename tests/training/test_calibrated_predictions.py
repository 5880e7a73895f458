"""Which temperature is recommended for new scans, and why none."""

import numpy as np
import pytest

from hrcam.evaluation.prediction_arrays import PredictionArrays
from hrcam.evaluation.temperature import fit_temperature
from hrcam.training.calibrated_predictions import Calibration


def calibrated(labels, positive, folds):
    count = len(labels)
    found = PredictionArrays(
        labels=np.asarray(labels),
        probabilities=np.column_stack([1 - positive, positive]),
        scans=np.arange(count).astype(str),
        groups=np.arange(count).astype(str),
        folds=np.asarray(folds),
        repeats=np.ones(count, int),
    )
    return Calibration.of(found).to_json(found, ("a", "b"), 0), found


def test_the_temperature_of_a_predictor_that_is_too_certain_is_recommended():
    rng = np.random.default_rng(0)
    honest = rng.normal(size=400)
    labels = (rng.random(400) < 1 / (1 + np.exp(-honest))).astype(int)
    scores, found = calibrated(labels, 1 / (1 + np.exp(-4 * honest)), np.arange(400) % 5)
    assert scores["temperature"] == fit_temperature(labels, found.probabilities)
    assert scores["temperature"] == pytest.approx(4, rel=0.25)
    assert scores["why_none"] is None


def test_probabilities_that_carry_nothing_have_no_temperature():
    rng = np.random.default_rng(1)
    scores, _ = calibrated(np.arange(40) % 2, rng.choice([0.01, 0.99], 40), np.arange(40) // 8)
    wrong, _ = calibrated(np.arange(40) % 2, 0.9 - 0.8 * (np.arange(40) % 2), np.arange(40) // 8)
    for one in (scores, wrong):
        assert one["temperature"] is None
        assert one["why_none"].startswith("the best is at the limit of the search, 20: ")


def test_no_temperature_is_recommended_that_makes_other_folds_worse():
    # One fold is far too certain and the other far too uncertain: each spoils the other.
    first = np.where(np.arange(40) % 4 == 0, 0.01, 0.99)  # right in half of the scans
    second = np.where(np.arange(40) % 2 == 1, 0.6, 0.4)  # right in all
    scores, _ = calibrated(np.arange(80) % 2, np.r_[first, second], np.arange(80) // 40)
    assert scores["minus_uncalibrated"]["brier_score"]["value"] > 0
    assert scores["temperature"] is None
    assert scores["why_none"] == (
        "it makes the calibration error and the Brier score of other folds worse"
    )
