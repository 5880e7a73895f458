"""The first sentence claims no more than was shown."""

from dataclasses import replace

import pytest
from report_folders import write_run

from hrcam.artifacts.run_folder import read_run
from hrcam.report.chapters.headline import headline


@pytest.fixture(scope="module")
def run(pictures, tmp_path_factory):
    return read_run(write_run(tmp_path_factory.mktemp("headline") / "run", pictures))


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
    text = headline(scored(run, (0.8, 0.6, 0.9), (0.75, 0.55, 0.9))).replace("\u00a0", " ")
    assert text.startswith("A CNN tells control and lesion apart. Out-of-fold, in 12 scans of 12 ")
    assert "AUC 0.80 (0.60 to 0.90), balanced accuracy 0.75 (0.55 to 0.90)" in text
    assert "95 % intervals" in text


@pytest.mark.parametrize("low", [0.2, 0.5])
def test_an_interval_that_holds_chance_is_no_claim(run, low):
    text = headline(scored(run, (0.7, low, 0.9), (0.8, 0.6, 0.9)))
    assert text.startswith("A CNN could not be shown to tell control and lesion apart.")
    assert "0.70" in text


def test_one_class_for_all_is_said(run):
    always = (0.9, 0.1)
    text = headline(scored(run, (0.5, 0.3, 0.7), (0.5, None, None), network=always))
    assert "could not be shown" in text
    assert "It calls every scan “control”." in text
    # It may rank them all the same.
    text = headline(scored(run, (0.9, 0.7, 1.0), (0.5, None, None), network=always))
    assert text.startswith(
        "A CNN ranks control and lesion apart, but it calls every scan “control”."
    )


def test_names_no_better_than_a_guess_are_said(run):
    text = headline(scored(run, (0.8, 0.6, 0.9), (0.6, 0.4, 0.8)))
    assert "ranks control and lesion apart, but the class that it names could not be shown" in text


def test_a_perfect_score_without_interval_counts_if_chance_seldom_gives_it(run):
    perfect = scored(run, (1.0, None, None), (1.0, None, None), source="test split")
    text = headline(perfect)
    # 6 of 12 participants can be chosen in 924 ways, 3 of 6 in 20.
    assert text.startswith("A CNN tells control and lesion apart. On the test split, in 12 scans")
    assert "intervals" not in text
    few = replace(perfect, predictions=perfect.predictions[:6])
    assert headline(few).startswith("A CNN could not be shown")


def test_several_scans_of_one_participant_count_once(run):
    perfect = scored(run, (1.0, None, None), (1.0, None, None))
    who = {"control": "a", "lesion": "b"}
    two = tuple(replace(each, participant=who[each.label]) for each in perfect.predictions)
    assert "12 scans of 2 participants" in headline(replace(perfect, predictions=two))
    assert "could not be shown" in headline(replace(perfect, predictions=two))


def test_chance_of_three_classes_is_a_third(run):
    three = replace(run, classes=("a", "b", "c"))
    shown = headline(scored(three, (0.8, 0.6, 0.9), (0.5, 0.4, 0.6)))
    assert shown.startswith("A CNN tells a, b and c apart.")
    guess = headline(scored(three, (0.8, 0.6, 0.9), (0.5, 0.3, 0.6)))
    assert "ranks a, b and c apart, but" in guess


def test_what_is_not_defined_is_no_claim(run):
    text = headline(scored(run, (None, None, None), (0.9, 0.8, 1.0)))
    assert text.startswith("A CNN could not be shown")
    assert "AUC n/a" in text
