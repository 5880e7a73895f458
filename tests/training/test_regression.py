"""A value for each scan: trained, mapped and reported."""

import numpy as np
import pandas as pd
import pytest
import torch
from picture_cohorts import write_table
from PIL import Image

from hrcam.cli.train import _summary
from hrcam.cohort.opening import open_cohort
from hrcam.cohort.reading import read_scan
from hrcam.errors import InputError
from hrcam.report.cohort_report import write_cohort_report
from hrcam.training.cohort_training import train_cohort
from hrcam.training.config import Hardware, TrainingConfig
from hrcam.training.run import Run
from hrcam.training.tasks import task_of

CPU = Hardware(accelerator="cpu", workers=1)
OPTIONS = TrainingConfig(
    task="regression",
    label_column="Load",
    folds=2,
    epochs=25,
    shape=(24, 24),
    batch_size=8,
    learning_rate=5e-3,
)


def write_cohort(folder, loads, unit=1.0):
    """Noise with a square at a place of chance, brighter the higher the load, from 0 to 1."""
    rows = []
    for index, load in enumerate(loads):
        generator = np.random.default_rng(index)
        pixels, mask = generator.normal(80, 10, (24, 24)), np.zeros((24, 24), np.uint8)
        top, left = generator.integers(2, 16, 2)
        mask[top : top + 6, left : left + 6] = 255
        pixels[mask > 0] += 150 * load
        (folder / "images").mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"images/{index}.png")
        Image.fromarray(mask).save(folder / f"images/{index}-lesion.png")
        rows.append(
            {
                "participant_id": f"p{index:02d}",
                "image": f"images/{index}.png",
                "mask": f"images/{index}-lesion.png",
                "load": f"{100 + unit * load:.4f}",
            }
        )
    return write_table(folder, rows)


def opened(folder):
    return open_cohort(folder, label_column="load")


@pytest.fixture(scope="module")
def value_run(tmp_path_factory):
    """A cohort whose load is from 100 to 140, and a regression of it."""
    folder = write_cohort(tmp_path_factory.mktemp("loads"), np.linspace(0, 1, 48), unit=40)
    report = train_cohort(opened(folder), folder / "run", OPTIONS, hardware=CPU, progress=False)
    return folder, report


def test_a_value_is_learnt_and_scored_out_of_fold_in_its_units(value_run):
    folder, report = value_run
    table = pd.read_csv(folder / "run/predictions.tsv", sep="\t")
    assert list(table.columns) == [
        *("scan", "participant", "group", "label", "fold", "repeat"),
        *("predicted", "head_predicted"),
    ]
    assert len(table) == 48
    for who, column in (("network", "predicted"), ("head", "head_predicted")):
        error = table[column] - table["label"]
        pooled = report.metrics[who]["pooled"]
        assert pooled["mae"]["value"] == pytest.approx(error.abs().mean(), rel=1e-4)
        r2 = 1 - (error**2).sum() / ((table["label"] - table["label"].mean()) ** 2).sum()
        assert pooled["r2"]["value"] == pytest.approx(r2, abs=1e-4)
        assert pooled["r2"]["value"] > 0.7
        assert pooled["r2"]["low"] < r2 < pooled["r2"]["high"]
        ranks = table[[column, "label"]].corr(method="spearman").iloc[0, 1]
        assert pooled["spearman"]["value"] == pytest.approx(ranks, abs=1e-4)


def prepared(run, scans):
    return torch.from_numpy(np.stack([run.preparation.apply(read_scan(s)).voxels for s in scans]))


def test_a_run_that_is_opened_again_predicts_what_its_table_says(value_run):
    folder, _ = value_run
    run = Run.open(folder / "run")
    assert (run.classes, run.reference, run.task.outputs) == (("Load",), None, ("Load",))
    table = pd.read_csv(folder / "run/predictions.tsv", sep="\t").set_index("scan")
    scans = [scan for scan in opened(folder).scans if table.loc[scan.name, "fold"] == 1][:5]
    with torch.no_grad():
        values = run.explainer(1).model(prepared(run, scans))[:, 0]
    expected = table.loc[[scan.name for scan in scans], "predicted"]
    np.testing.assert_allclose(values, expected, rtol=1e-5)


def test_the_mean_evidence_and_the_bias_are_the_value_in_its_units(value_run):
    folder, report = value_run
    scans = opened(folder).scans[::12]
    found = report.run.explainer(1).explain(prepared(report.run, scans))
    value = found.evidence.double().mean((1, 2)) + found.bias
    np.testing.assert_allclose(value, found.logits[:, 0], rtol=1e-5)
    assert bool(((found.logits > 95) & (found.logits < 145)).all())


def test_the_page_says_how_well_the_value_is_predicted(value_run):
    folder, report = value_run
    page = write_cohort_report(folder / "run", None, folder / "page.html", progress=False)
    text = page.read_text(encoding="utf-8")
    assert "The CNN predicts Load better than the mean of the scans does." in text
    assert "Mean absolute error of Load" in text
    assert text.count("<circle") == 2 * 48
    assert "Confusion matrix" not in text
    assert "stratified by ranges of the value" in text
    assert [line.split("  ")[0] for line in _summary(report.metrics).splitlines()] == [
        *("out-of-fold, 95 % interval", "R²", "R², mean of folds", "mean absolute error"),
        *("pearson", "spearman"),
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"head": "labels"}, "'labels' is a classifier"),
        ({"positive": "high"}, "positive is 'high', and a regression has no classes"),
        ({"reference": "low"}, "reference is 'low', and a regression has no classes"),
    ],
)
def test_options_that_need_classes_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        task_of(OPTIONS.model_copy(update=change), ())
