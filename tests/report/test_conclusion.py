"""The first sentence claims no more than was shown."""

from dataclasses import replace

import pytest
from report_folders import write_run

from hrcam.artifacts.run_folder import read_run
from hrcam.report.chapters.conclusion import conclusion


@pytest.fixture(scope="module")
def run(pictures, tmp_path_factory):
    return read_run(write_run(tmp_path_factory.mktemp("conclusion") / "run", pictures))


def scored(run, auc, accuracy, source="out-of-fold", network=None):
    """A run with these metrics, each a value with its interval, or with no interval."""
    estimates = [dict(zip(("value", "low", "high"), each, strict=True)) for each in (auc, accuracy)]
    pooled = dict(zip(("auc", "balanced_accuracy"), estimates, strict=True))
    predictions = run.predictions
    if network is not None:
        predictions = tuple(replace(each, network=network) for each in predictions)
    metrics = {"source": source, "network": {"pooled": pooled}}
    return replace(run, metrics=metrics, predictions=predictions)


def test_an_interval_above_chance_is_a_claim_with_its_interval(run):
    text = conclusion(scored(run, (0.8, 0.6, 0.9), (0.75, 0.55, 0.9))).replace("\u00a0", " ")
    assert text.startswith("The CNN separates control and lesion. Out-of-fold, in 12 scans of 12 ")
    assert "AUC 0.80 (0.60 to 0.90), balanced accuracy 0.75 (0.55 to 0.90)" in text
    assert "95 % intervals" in text


@pytest.mark.parametrize("low", [0.2, 0.5])
def test_an_interval_that_holds_chance_is_no_claim(run, low):
    text = conclusion(scored(run, (0.7, low, 0.9), (0.8, 0.6, 0.9)))
    assert text.startswith("It is not shown that the CNN separates control and lesion")
    assert "0.70" in text


def test_one_class_for_all_is_said(run):
    always = (0.9, 0.1)
    text = conclusion(scored(run, (0.5, 0.3, 0.7), (0.5, None, None), network=always))
    assert "It is not shown" in text
    assert "It predicts “control” for every scan." in text
    # It may rank them all the same.
    text = conclusion(scored(run, (0.9, 0.7, 1.0), (0.5, None, None), network=always))
    assert text.startswith("The CNN ranks scans of control and lesion better than chance, but it")
    assert "predicts “control” for every scan" in text


def test_names_no_better_than_a_guess_are_said(run):
    text = conclusion(scored(run, (0.8, 0.6, 0.9), (0.6, 0.4, 0.8)))
    assert "better than chance, but its predicted class is not shown to be" in text


def test_a_perfect_score_without_interval_counts_if_chance_seldom_gives_it(run):
    perfect = scored(run, (1.0, None, None), (1.0, None, None), source="test split")
    text = conclusion(perfect)
    # 6 of 12 participants can be chosen in 924 ways, 3 of 6 in 20.
    assert text.startswith("The CNN separates control and lesion. On the test split, in 12 scans")
    assert "intervals" not in text
    six = replace(perfect, predictions=perfect.predictions[:6])
    assert conclusion(six).startswith("It is not shown")


def test_several_scans_of_one_participant_count_once(run):
    perfect = scored(run, (1.0, None, None), (1.0, None, None))
    who = {"control": "a", "lesion": "b"}
    two = tuple(replace(each, participant=who[each.label]) for each in perfect.predictions)
    assert "12 scans of 2 participants" in conclusion(replace(perfect, predictions=two))
    assert "It is not shown" in conclusion(replace(perfect, predictions=two))


def test_chance_of_three_classes_is_a_third(run):
    three = replace(run, classes=("a", "b", "c"))
    shown = conclusion(scored(three, (0.8, 0.6, 0.9), (0.5, 0.4, 0.6)))
    assert shown.startswith("The CNN separates a, b and c.")
    guess = conclusion(scored(three, (0.8, 0.6, 0.9), (0.5, 0.3, 0.6)))
    assert "ranks scans of a, b and c better than chance, but" in guess


def test_what_is_not_defined_is_no_claim(run):
    text = conclusion(scored(run, (None, None, None), (0.9, 0.8, 1.0)))
    assert text.startswith("It is not shown")
    assert "AUC n/a" in text
