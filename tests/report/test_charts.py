from dataclasses import replace

import numpy as np
import pytest
from report_folders import write_run
from sklearn.metrics import confusion_matrix, roc_curve

from hrcam.artifacts.run_folder import read_run
from hrcam.report.figures.charts import confusions, prediction_charts


@pytest.fixture
def run(pictures, tmp_path):
    return read_run(write_run(tmp_path / "run", pictures))


def test_two_classes_have_curves_of_network_head_and_folds(run, pictures):
    roc, reliability = prediction_charts(run)
    assert [series.name for series in roc.series] == ["", "", "Network", "HR-CAM head"]
    truth = [scan.label == "lesion" for scan in pictures]
    x, y, _ = roc_curve(truth, [scan.probabilities[1] for scan in pictures])
    np.testing.assert_allclose(roc.series[2].points, np.stack([x, y], 1))
    network, _ = reliability.series
    # 12 scans fill one bin.
    ((predicted, observed),), ((low, high),) = network.points, network.intervals
    assert predicted == pytest.approx(np.mean([scan.probabilities[1] for scan in pictures]))
    assert observed == 0.5
    assert low < 0.5 < high


def test_repeats_count_no_scan_twice(run):
    again = tuple(replace(each, repeat=2) for each in run.predictions)
    roc, reliability = prediction_charts(replace(run, predictions=run.predictions + again))
    once_roc, once = prediction_charts(run)
    assert roc.note == "Thin: the networks of each repeat."
    assert roc.series[0].points == roc.series[1].points == once_roc.series[2].points
    for series, of_once in zip(reliability.series, once.series, strict=True):
        np.testing.assert_allclose(series.points, of_once.points)
        np.testing.assert_allclose(series.intervals, of_once.intervals)


def test_three_classes_have_a_curve_each(pictures, tmp_path):
    classes = ("a", "b", "c")
    rng = np.random.default_rng(0)
    scans = [
        replace(scan, label=classes[i % 3], probabilities=tuple(rng.dirichlet([1, 1, 1])))
        for i, scan in enumerate(pictures)
    ]
    charts = prediction_charts(read_run(write_run(tmp_path / "run", scans, classes)))
    assert [chart.title for chart in charts] == [
        *("ROC: Network", "Reliability: Network"),
        *("ROC: HR-CAM head", "Reliability: HR-CAM head"),
    ]
    assert {tuple(series.name for series in chart.series) for chart in charts} == {classes}


def test_a_class_without_scans_has_no_curve(run):
    only = replace(
        run, predictions=tuple(each for each in run.predictions if each.label == "lesion")
    )
    roc, _ = prediction_charts(only)
    assert roc.series == ()


def test_confusions_count_true_classes_in_rows(run, pictures):
    network, head = confusions(run)
    truth = [scan.label for scan in pictures]
    predicted = [scan.predicted(run.classes) for scan in pictures]
    np.testing.assert_array_equal(network.counts, confusion_matrix(truth, predicted))
    assert head.title == "HR-CAM head"
    counts = network.counts
    assert network.share(1, 0) == counts[1][0] / sum(counts[1])
    assert replace(network, counts=((0, 0), (1, 1))).share(0, 1) == 0
