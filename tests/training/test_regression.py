"""A value for each scan: trained, mapped and reported."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from picture_cohorts import write_table
from PIL import Image

from hrcam.artifacts.map_file import read_map
from hrcam.artifacts.maps_folder import read_maps
from hrcam.cli.train import _summary
from hrcam.cohort.opening import open_cohort
from hrcam.cohort.reading import read_scan
from hrcam.errors import InputError
from hrcam.group.participants import choose_groups
from hrcam.mapping import Form, map_scans
from hrcam.report.cohort_report import write_cohort_report
from hrcam.training.cohort_training import train_cohort
from hrcam.training.config import Hardware, TrainingConfig
from hrcam.training.run import Run
from hrcam.training.tasks import task_of

pytestmark = pytest.mark.xdist_group("regression")  # one training for all
SCANS = 64
CPU = Hardware(accelerator="cpu", workers=1)
OPTIONS = TrainingConfig(
    task="regression",
    label_column="Load",
    folds=2,
    epochs=30,
    shape=(24, 24),
    batch_size=8,
    learning_rate=5e-3,
)


def write_cohort(folder, number):
    """Noise with one bright rectangle in each picture; the load is 100 plus half of its pixels."""
    rows = []
    for index in range(number):
        generator = np.random.default_rng(index)
        height, width = generator.integers(2, 9, 2)
        pixels = generator.normal(60, generator.uniform(5, 20), (24, 24))
        mask = np.zeros((24, 24), np.uint8)
        top, left = generator.integers(1, 23 - height), generator.integers(1, 23 - width)
        mask[top : top + height, left : left + width] = 255
        pixels[mask > 0] += generator.uniform(100, 140)
        (folder / "images").mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"images/{index}.png")
        Image.fromarray(mask).save(folder / f"images/{index}-lesion.png")
        rows.append(
            {
                "participant_id": f"p{index:02d}",
                "image": f"images/{index}.png",
                "mask": f"images/{index}-lesion.png",
                "load": f"{100 + height * width / 2:.1f}",
            }
        )
    return write_table(folder, rows)


def opened(folder):
    return open_cohort(folder, label_column="load")


@pytest.fixture(scope="module")
def value_run(tmp_path_factory):
    """A cohort whose load is from 102 to 132, and a regression of it."""
    folder = write_cohort(tmp_path_factory.mktemp("loads"), SCANS)
    report = train_cohort(opened(folder), folder / "run", OPTIONS, hardware=CPU, progress=False)
    return folder, report


def test_a_value_is_learnt_and_scored_out_of_fold_in_its_units(value_run):
    folder, report = value_run
    table = pd.read_csv(folder / "run/predictions.tsv", sep="\t")
    assert list(table.columns) == [
        *("scan", "participant", "group", "label", "fold", "repeat"),
        *("predicted", "head_predicted"),
    ]
    assert len(table) == SCANS
    for who, column in (("network", "predicted"), ("head", "head_predicted")):
        error = table[column] - table["label"]
        pooled = report.metrics[who]["pooled"]
        assert pooled["mae"]["value"] == pytest.approx(error.abs().mean(), rel=1e-4)
        r2 = 1 - (error**2).sum() / ((table["label"] - table["label"].mean()) ** 2).sum()
        assert pooled["r2"]["value"] == pytest.approx(r2, abs=1e-4)
        assert pooled["r2"]["value"] > 0.5
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
    assert text.count("<circle") == 2 * SCANS
    assert "Confusion matrix" not in text
    assert "stratified by ranges of the value" in text
    assert [line.split("  ")[0] for line in _summary(report.metrics).splitlines()] == [
        *("out-of-fold, 95 % interval", "R²", "R², mean of folds", "mean absolute error"),
        *("pearson", "spearman"),
    ]


@pytest.fixture(scope="module")
def value_maps(value_run):
    folder, report = value_run
    done = map_scans(
        report.run, opened(folder).scans, folder / "maps", hardware=CPU, progress=False
    )
    return folder, report, done


def test_a_map_says_what_the_value_is_made_of(value_maps):
    """On the network's own grid, so that the maps of the files are those of the network."""
    folder, _, done = value_maps
    assert (done.done, done.failed) == (SCANS, ())
    table = pd.read_csv(folder / "run/predictions.tsv", sep="\t").set_index("scan")
    for record in read_maps(folder / "maps").records:
        row = table.loc[record.scan]
        assert (record.map_class, record.class_index, record.findings) == ("Load", 0, None)
        assert record.prediction.target == "Load"
        assert record.prediction.value == pytest.approx(row["predicted"], rel=1e-5)
        evidence = read_map(record.files["evidence"], record.scaling["evidence"])
        step = record.scaling["evidence"].largest_error
        assert evidence.mean() + record.bias == pytest.approx(row["head_predicted"], abs=step)
        assert sum(record.level_contributions.values()) + record.bias == pytest.approx(
            record.logit, rel=1e-6
        )
        content = json.loads((folder / "maps" / record_path(record)).read_text())
        assert content["HeadValue"] == record.logit
        assert content["Maps"]["evidence"]["Units"] == "as Load"
        assert "Probabilities" not in content
        assert "Logit" not in content


def record_path(record):
    first = record.files["pattern"]
    return first.with_name(first.name.replace("_desc-pattern_statmap.png", "_statmap.json"))


def test_the_map_of_a_high_value_is_highest_where_it_comes_from(value_maps):
    folder, *_ = value_maps
    masks = {scan.name: np.asarray(Image.open(scan.mask)) > 0 for scan in opened(folder).scans}
    hits = []
    for record in read_maps(folder / "maps").records:
        if float(record.label) > 110:
            pattern = read_map(record.files["pattern"], record.scaling["pattern"])
            place = np.unravel_index(pattern.argmax(), pattern.shape)
            hits.append(masks[record.scan][place])
    assert np.mean(hits) > 0.9


def test_the_tables_and_the_folder_have_values_and_no_findings(value_maps):
    folder, report, _ = value_maps
    table = pd.read_csv(folder / "maps/maps.tsv", sep="\t")
    assert not [name for name in table.columns if name.startswith("probability_")]
    predicted = pd.read_csv(folder / "run/predictions.tsv", sep="\t").set_index("scan")
    expected = predicted.loc[table["scan"], "predicted"]
    np.testing.assert_allclose(table["predicted"], expected, rtol=1e-5)
    assert set(table["class"]) == {"Load"}
    assert not list((folder / "maps").rglob("*findings*"))
    again = map_scans(
        report.run, opened(folder).scans, folder / "maps", hardware=CPU, progress=False
    )
    assert (again.done, again.skipped) == (0, SCANS)
    assert (folder / "maps/sanity.json").is_file()


def test_a_page_of_maps_of_a_value_speaks_of_no_class(value_maps):
    folder, *_ = value_maps
    page = write_cohort_report(folder / "run", folder / "maps", folder / "both.html", subjects=6)
    text = page.read_text(encoding="utf-8")
    assert text.count("true <bdi>") == 6
    assert "evenly spaced by the predicted Load" in text
    assert "so no findings" in text
    assert "highest prediction first" in text
    assert "speaks for a higher Load" in text
    assert f"Mean of {SCANS} scans: Load; evidence for Load" in text
    assert [
        word for word in ("✗ wrong", "✓ correct", "True class <select", "t-like") if word in text
    ] == []


def test_what_needs_classes_refuses_maps_of_a_value(value_maps):
    folder, report, _ = value_maps
    with pytest.raises(InputError, match="DICOM objects are of classes"):
        map_scans(report.run, opened(folder).scans, folder / "x", form=Form(dicom=True))
    with pytest.raises(InputError, match="the maps are of Load, a number"):
        choose_groups(read_maps(folder / "maps"), {})


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
