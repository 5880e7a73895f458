"""Chance, calibration and the worth of an AUC, where subjects are few."""

import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from hrcam.errors import InputError
from hrcam.evaluation import chance
from hrcam.evaluation.chance import better_than_chance
from hrcam.evaluation.prediction import score_predictions
from hrcam.evaluation.temperature import (
    MOST,
    at_limit,
    fit_temperature,
    fold_temperatures,
    with_temperature,
)
from hrcam.evaluation.worth import auc_statement, hanley_mcneil_interval


def two_classes(positive):
    return np.column_stack([1 - positive, positive])


def certain(rng, images, sharpness, classes=2):
    """Labels drawn from probabilities, which are then sharpened."""
    logits = rng.normal(size=(images, classes))
    honest = with_temperature(np.exp(logits) / np.exp(logits).sum(1, keepdims=True), 1.0)
    labels = (rng.random((images, 1)) > honest.cumsum(1)).sum(1)
    return labels, with_temperature(honest, 1 / sharpness)


class TestChance:
    def test_of_three_and_three_that_are_separated_one_labelling_in_twenty_is_as_good(self):
        labels = np.array([0, 0, 0, 1, 1, 1])
        found = better_than_chance(labels, two_classes(np.arange(1, 7) / 10))
        assert found.p == pytest.approx(1 / 20, abs=0.015)
        assert (found.permutations, found.within_folds) == (1999, True)

    def test_labels_that_say_nothing_are_rarely_below_a_twentieth(self):
        rng = np.random.default_rng(0)
        found = [
            better_than_chance(
                rng.permutation(np.arange(24) % 2), two_classes(rng.random(24)), permutations=99
            ).p
            for _ in range(300)
        ]
        assert 0.02 < np.mean(np.array(found) <= 0.05) < 0.08
        assert np.mean(found) == pytest.approx(0.5, abs=0.05)

    def test_subjects_exchange_labels_within_their_fold_only(self):
        # Each fold has its own scale and its own share of the class: pooled, that looks like skill.
        folds = np.repeat([1, 2], 20)
        labels = np.concatenate([np.arange(20) < 2, np.arange(20) < 18]).astype(int)
        rng = np.random.default_rng(1)
        over_all, within = [], []
        for _ in range(100):
            probabilities = two_classes(rng.random(40) * 0.4 + 0.5 * (folds == 2))
            over_all.append(better_than_chance(labels, probabilities, permutations=99).p)
            within.append(better_than_chance(labels, probabilities, folds=folds, permutations=99).p)
        assert max(over_all) == 0.01
        assert np.mean(np.array(within) <= 0.05) <= 0.1
        assert np.mean(within) == pytest.approx(0.5, abs=0.1)
        # Of 400 pairs the fold tells 324 right and 4 wrong, and of the other 72 the half.
        last = better_than_chance(labels, probabilities, folds=folds)
        assert last.relabelled_auc == pytest.approx(0.9, abs=0.01)
        over = better_than_chance(labels, probabilities)
        assert over.relabelled_auc == pytest.approx(0.5, abs=0.01)

    def test_images_of_a_subject_and_repeats_are_no_further_evidence(self, monkeypatch):
        rng = np.random.default_rng(2)
        labels = np.arange(30) % 2
        probabilities = two_classes((rng.random(30) + 0.3 * labels) / 2)
        once = better_than_chance(labels, probabilities)
        assert 0.0005 < once.p < 0.2
        groups = np.tile(np.arange(30), 2)
        twice = (np.tile(labels, 2), np.tile(probabilities, (2, 1)))
        assert better_than_chance(*twice, groups=groups) == once
        repeats = np.repeat([1, 2], 30)
        folds = np.concatenate([np.arange(30) % 3, 3 + np.arange(30) // 10])
        repeated = better_than_chance(*twice, groups=groups, folds=folds, repeats=repeats)
        assert repeated.within_folds is False
        # Three folds of ten: √(1 + 3 · 10 / 20). Wider, more labellings reach the AUC.
        assert (once.widening, repeated.widening) == (1, pytest.approx(np.sqrt(2.5)))
        assert repeated.p > once.p
        monkeypatch.setattr(chance, "_MOST_LABELS", 700)  # labellings come in several parts
        assert better_than_chance(labels, probabilities).p == pytest.approx(once.p, abs=0.02)

    def test_networks_that_are_trained_on_the_other_folds_are_rarely_below_a_twentieth(self):
        # Two features of noise, and as a network the direction between the means of the classes.
        rng = np.random.default_rng(5)
        folds = np.arange(60) % 5
        of_folds, of_one = [], []
        for _ in range(300):
            images, labels = rng.normal(size=(60, 2)), rng.permutation(np.arange(60) % 2)
            scores = np.zeros(60)
            for fold in range(5):
                train, test = folds != fold, folds == fold
                means = [images[train & (labels == each)].mean(0) for each in (0, 1)]
                scores[test] = images[test] @ (means[1] - means[0])
            probabilities = two_classes(1 / (1 + np.exp(-scores)))
            tested = better_than_chance(labels, probabilities, folds=folds, permutations=99)
            of_folds.append(tested.p)
            of_one.append(better_than_chance(labels, probabilities, permutations=99).p)
        assert tested.widening == pytest.approx(1.5)
        assert np.mean(np.array(of_folds) <= 0.05) <= 0.05
        assert np.mean(np.array(of_one) <= 0.05) > 0.08

    def test_sites_of_several_sizes_widen_by_their_shares(self):
        folds = np.repeat([1, 2, 3], [10, 20, 30])
        rng = np.random.default_rng(6)
        found = better_than_chance(np.arange(60) % 2, two_classes(rng.random(60)), folds=folds)
        assert found.widening == pytest.approx(np.sqrt(1 + 10 / 50 + 20 / 40 + 30 / 30))

    def test_several_classes_are_tested_by_their_mean_auc(self):
        rng = np.random.default_rng(3)
        labels, probabilities = certain(rng, 60, 2.0, classes=3)
        assert better_than_chance(labels, probabilities).p < 0.01
        assert better_than_chance(rng.permutation(labels), probabilities).p > 0.01

    def test_what_cannot_be_tested_has_no_p(self):
        probabilities = two_classes(np.array([0.1, 0.4, 0.6, 0.9]))
        assert better_than_chance([1, 1, 1, 1], probabilities) is None
        assert better_than_chance([0, 1, 0, 1], probabilities, groups=[1, 1, 2, 2]) is None
        with pytest.raises(InputError, match=r"Folds have shape \(3,\)"):
            better_than_chance([0, 1, 0, 1], probabilities, folds=[1, 2, 3])
        with pytest.raises(InputError, match="permutations is 0"):
            better_than_chance([0, 1, 0, 1], probabilities, permutations=0)


class TestTemperature:
    @pytest.mark.parametrize("sharpness", [0.5, 1.0, 3.0])
    @pytest.mark.parametrize("classes", [2, 4])
    def test_the_sharpness_of_probabilities_is_found(self, sharpness, classes):
        rng = np.random.default_rng(4)
        labels, probabilities = certain(rng, 4000, sharpness, classes)
        found = fit_temperature(labels, probabilities)
        assert found == pytest.approx(sharpness, rel=0.1)
        best, *others = (
            log_loss(labels, with_temperature(probabilities, factor * found))
            for factor in (1, 0.9, 1.1)
        )
        assert best < min(others)

    def test_few_images_that_are_all_right_are_not_called_certain(self):
        labels = np.arange(12) % 2
        positive = np.where(labels == 1, 0.9, 0.1)
        found = fit_temperature(labels, two_classes(positive))
        assert found > 1 / MOST
        calibrated = with_temperature(two_classes(positive), found)
        # Seven of eight: six images of a class that were right, and one more of each class.
        assert calibrated.max() == pytest.approx(7 / 8, abs=0.01)

    def test_probabilities_that_are_written_as_zero_are_taken(self):
        labels = np.arange(12) % 2
        found = fit_temperature(labels, two_classes((np.arange(12) < 6).astype(float)))
        assert found == pytest.approx(MOST, rel=1e-3)
        assert [at_limit(each) for each in (found, 1 / found, 15.0, 1.0)] == [
            True,
            True,
            False,
            False,
        ]

    def test_a_fold_is_calibrated_by_others_of_its_division_only(self):
        rng = np.random.default_rng(5)
        labels, probabilities = certain(rng, 120, 2.5)
        folds, repeats = np.repeat([1, 2, 3, 4], 30), np.repeat([1, 2], 60)
        found = fold_temperatures(labels, probabilities, folds, repeats)
        assert found.everyone == fit_temperature(labels, probabilities)
        assert found.by_fold[2] == fit_temperature(labels[:30], probabilities[:30])
        turned = np.where(folds == 1, 1 - labels, labels)
        other = fold_temperatures(turned, probabilities, folds, repeats)
        changed = {fold for fold, value in found.by_fold.items() if other.by_fold[fold] != value}
        assert changed == {2}
        assert fold_temperatures(labels, probabilities, np.ones(120), np.ones(120)) is None
        with pytest.raises(InputError, match="repeats"):
            fold_temperatures(labels, probabilities, folds, repeats[:5])

    def test_calibration_lowers_the_error_and_leaves_the_auc_of_each_fold(self):
        rng = np.random.default_rng(6)
        labels, probabilities = certain(rng, 400, 4.0)
        folds = np.repeat([1, 2, 3, 4, 5], 80)
        found = fold_temperatures(labels, probabilities, folds, np.ones(400))
        rows = np.array([found.by_fold[fold] for fold in folds])
        calibrated = with_temperature(probabilities, rows)
        for fold in range(1, 6):
            own = folds == fold
            assert roc_auc_score(labels[own], calibrated[own, 1]) == roc_auc_score(
                labels[own], probabilities[own, 1]
            )
        before, after = (score_predictions(labels, each) for each in (probabilities, calibrated))
        for metric in ("calibration_error", "brier_score"):
            assert after.metrics[metric].value < before.metrics[metric].value


class TestWorth:
    def test_the_example_of_hanley_and_mcneil(self):
        low, high = hanley_mcneil_interval(0.893, 51, 58)
        assert (high - low) / 2 / 1.96 == pytest.approx(0.032, abs=0.001)
        assert hanley_mcneil_interval(1.0, 5, 5) == (1.0, 1.0)
        with pytest.raises(InputError, match="0 and 3 subjects"):
            hanley_mcneil_interval(0.7, 0, 3)

    def test_the_formula_agrees_with_the_bootstrap(self):
        rng = np.random.default_rng(7)
        widths = []
        for _ in range(20):
            labels = (np.arange(80) < 45).astype(int)
            positive = 1 / (1 + np.exp(-rng.normal(1.2 * labels)))
            auc = score_predictions(labels, two_classes(positive), resamples=500).metrics["auc"]
            low, high = hanley_mcneil_interval(auc.value, 45, 35)
            widths.append((high - low) / (auc.high - auc.low))
        assert np.mean(widths) == pytest.approx(1, abs=0.12)

    def test_it_is_said_in_words(self):
        scores = {
            "pooled": {"auc": {"value": 0.8, "low": 0.7, "high": 0.89}, "subjects": 80},
            "better_than_chance": {"p": 0.0005, "permutations": 1999},
        }
        assert auc_statement(scores) == (
            "80 subjects: AUC 0.80, 95 % interval 0.70 to 0.89: a true AUC below 0.70 is excluded. "
            "Twice the subjects would give about ±0.07. Better than chance: p ≤ 0.0005 "
            "(permutation test)."
        )
        scores["pooled"]["auc"] = {"value": 0.6, "low": 0.46, "high": 0.74}
        scores["better_than_chance"]["p"] = 0.08
        text = auc_statement(scores)
        assert "chance, 0.50, is not excluded" in text
        assert "p = 0.08 " in text
        scores["pooled"]["auc"] = {"value": 0.21, "low": 0.08, "high": 0.36}
        assert "95 % interval 0.08 to 0.36: below chance, 0.50: the order is reversed" in (
            auc_statement(scores)
        )
        scores["pooled"]["auc"] = {"value": 1.0, "low": None, "high": None}
        scores["better_than_chance"] = None
        assert auc_statement(scores) == "80 subjects: AUC 1.00, without an interval."
        scores["pooled"]["auc"]["value"] = None
        assert auc_statement(scores) == "80 subjects: the AUC is undefined."

    def test_chance_is_where_relabelled_folds_have_it(self):
        scores = {
            "pooled": {"auc": {"value": 0.51, "low": 0.3, "high": 0.68}, "subjects": 45},
            "better_than_chance": {
                "p": 0.066,
                "permutations": 1999,
                "within_folds": True,
                "relabelled_auc": 0.42,
            },
        }
        assert auc_statement(scores) == (
            "45 subjects: AUC 0.51, 95 % interval 0.30 to 0.68: chance, 0.42, is not excluded. "
            "Twice the subjects would give about ±0.13. Better than chance: p = 0.066 "
            "(permutation test). Relabelled within folds, the AUC is 0.42 on average, not 0.50: "
            "folds differ in their shares of the classes, or subjects in their numbers of scans."
        )
        scores["better_than_chance"]["within_folds"] = False
        assert "Relabelled over all folds, the AUC is 0.42" in auc_statement(scores)
        scores["better_than_chance"]["relabelled_auc"] = 0.51
        assert "chance, 0.50, is not excluded" in auc_statement(scores)
        assert "Relabelled" not in auc_statement(scores)
