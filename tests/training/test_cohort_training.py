import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from picture_cohorts import write_picture, write_table
from sklearn.metrics import roc_auc_score

from hrcam.artifacts.by_column_table import read_by_column
from hrcam.artifacts.cache import CACHE
from hrcam.artifacts.run_folder import read_run
from hrcam.artifacts.scan_claims import ScanClaims
from hrcam.cohort.opening import open_cohort
from hrcam.cohort.problems import RefusedScansError
from hrcam.cohort.reading import read_scan
from hrcam.errors import HRCAMWarning, InputError, LoadError
from hrcam.evaluation.temperature import fit_temperature
from hrcam.evaluation.worth import without_auc
from hrcam.report.chapters.metrics import metric_sections
from hrcam.report.cohort_report import write_cohort_report
from hrcam.training import fold_jobs
from hrcam.training.cohort_training import train_cohort, train_one_fold
from hrcam.training.config import Hardware, TrainingConfig
from hrcam.training.default_classes import positive_class
from hrcam.training.run import Run

CPU = Hardware(accelerator="cpu", workers=1)
SMALL = TrainingConfig(folds=2, epochs=12, shape=(32, 32), batch_size=4, learning_rate=5e-3)


def trained(cohort, out, config=SMALL, **options):
    return train_cohort(open_cohort(cohort), out, config, hardware=CPU, progress=False, **options)


def files(folder):
    """Content of everything that a run reports, without durations."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            if path.name in ("manifest.json", "fold.json"):
                content = json.loads(content)
                for part in (content, *content.get("fold_details", [])):
                    part.pop("seconds")
            found[str(path.relative_to(folder))] = content
    return found


@pytest.fixture(scope="module")
def bright_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bright")
    rows = []
    for index in range(40):
        write_picture(folder / f"{index}.png", index, index % 2 == 1)
        label = "bright" if index % 2 else "plain"
        rows.append({"participant_id": f"p{index}", "image": f"{index}.png", "label": label})
    write_table(folder, rows)
    return folder, trained(folder, folder / "run")


def test_an_easy_cohort_is_learnt_and_scored_out_of_fold(bright_run):
    folder, report = bright_run
    assert report.metrics["source"] == "out-of-fold"
    assert report.metrics["network"]["pooled"]["auc"]["value"] > 0.9
    assert report.metrics["head"]["pooled"]["auc"]["value"] > 0.9
    table = pd.read_csv(folder / "run/predictions.tsv", sep="\t")
    assert sorted(table["participant"]) == sorted(f"p{index}" for index in range(40))
    for start in ("probability", "head_probability"):
        both = table[[f"{start}_bright", f"{start}_plain"]].to_numpy()
        assert both.sum(1) == pytest.approx(1, abs=1e-5)
    best = np.where(table["probability_bright"] > 0.5, "bright", "plain")
    assert (table["predicted"] == best).all()
    right = (table["predicted"] == table["label"]).mean()
    assert report.metrics["network"]["pooled"]["accuracy"]["value"] == pytest.approx(right)


def test_probabilities_are_calibrated_by_other_folds_and_the_auc_is_tested(bright_run):
    folder, report = bright_run
    table = pd.read_csv(folder / "run/predictions.tsv", sep="\t")
    scores = report.metrics["network"]
    temperatures = scores["calibrated"]["fold_temperatures"]
    for fold, temperature in enumerate(temperatures, 1):
        own = table[table["fold"] == fold]
        other = table[table["fold"] != fold]
        given = other[["probability_plain", "probability_bright"]].to_numpy()
        given = given / given.sum(1, keepdims=True)
        truth = (other["label"] == "bright").astype(int)
        assert temperature == pytest.approx(fit_temperature(truth, given), rel=1e-3)
        odds = (own["probability_bright"] / own["probability_plain"]) ** (1 / temperature)
        assert own["calibrated_probability_bright"].to_numpy() == pytest.approx(
            (odds / (1 + odds)).to_numpy(), rel=1e-3
        )
    both = table[[f"calibrated_head_probability_{name}" for name in ("bright", "plain")]]
    assert both.to_numpy().sum(1) == pytest.approx(1, abs=1e-5)
    one = report.run.predictions[0]
    assert one.calibrated[0] == pytest.approx(
        table.loc[0, f"calibrated_probability_{report.run.classes[0]}"]
    )
    assert scores["better_than_chance"] == {
        "p": pytest.approx(0.0015, abs=0.0009),
        "permutations": 1999,
        "within_folds": True,
        "relabelled_auc": pytest.approx(0.5, abs=0.02),
        "widening": pytest.approx(3**0.5),
    }
    sections = {one.heading: one for one in metric_sections(read_run(folder / "run"))}
    calibrated = sections["Calibrated: Network"].table
    assert [row[0] for row in calibrated.rows] == ["Calibration error", "Brier score"]
    run = read_run(folder / "run")
    for temperature, why, advice in (
        (1.5, None, "Of all folds it is 1.50, which is the one for new scans."),
        (None, "it is at the limit", "None is recommended for new scans: it is at the limit."),
    ):
        run.metrics["network"]["calibrated"] |= {"temperature": temperature, "why_none": why}
        section = {one.heading: one for one in metric_sections(run)}["Calibrated: Network"]
        assert advice in section.paragraphs[0]
    worth = " ".join(sections["What the AUC is worth"].paragraphs)
    assert worth.startswith("40 subjects: AUC ")
    assert "Better than chance: p = 0.00" in worth
    assert "their spread is widened by 1.73" in worth
    assert "exchange their labels 1,999 times within their fold" in worth


def test_every_scan_is_predicted_by_the_fold_that_did_not_see_it(bright_run):
    folder, report = bright_run
    cohort = open_cohort(folder)
    table = pd.read_csv(folder / "run/predictions.tsv", sep="\t").set_index("scan")
    splits = pd.read_csv(folder / "run/splits.tsv", sep="\t").set_index("scan")
    run = report.run
    for scan in cohort.scans[:6]:
        fold = int(table.loc[scan.name, "fold"])
        assert splits.loc[scan.name, "fold"] == fold
        assert run.folds_for(scan, splits.loc[scan.name, "voxel_hash"]) == ((fold,), False)
        image = torch.from_numpy(run.preparation.apply(read_scan(scan)).voxels)[None]
        with torch.no_grad():
            probability = run.explainer(fold).model(image).softmax(1)[0]
        place = run.classes.index("bright")
        assert table.loc[scan.name, "probability_bright"] == pytest.approx(
            float(probability[place]), abs=1e-5
        )


def test_a_repeated_cross_validation_predicts_and_maps_by_a_network_of_each_repeat(
    bright_cohort, tmp_path
):
    config = SMALL.model_copy(update={"epochs": 1, "repeats": 2, "positive": "bright"})
    config = config.model_copy(update={"reference": "plain"})
    once = config.model_copy(update={"repeats": 1})
    run = trained(bright_cohort, tmp_path / "run", config).run
    assert train_one_fold(open_cohort(bright_cohort), tmp_path / "once", 2, once, hardware=CPU) == 2
    for name in ("network.safetensors", "predictions.tsv"):
        assert (tmp_path / "run/fold-2" / name).read_bytes() == (
            tmp_path / "once/fold-2" / name
        ).read_bytes()
    table = pd.read_csv(tmp_path / "run/predictions.tsv", sep="\t")
    assert table.groupby("repeat")["scan"].nunique().to_dict() == {1: 40, 2: 40}
    assert table.groupby("fold")["repeat"].unique().map(list).to_dict() == {
        1: [1], 2: [1], 3: [2], 4: [2]
    }  # fmt: skip
    cohort = open_cohort(bright_cohort)
    for row in run.splits[:6]:
        (scan,) = (one for one in cohort.scans if one.name == row.scan)
        folds = table.loc[table["scan"] == row.scan, "fold"]
        assert (
            run.folds_for(scan, row.voxel_hash) == (tuple(folds), False) == (row.tested_by, False)
        )
    new = cohort.scans[0].__class__("new", "new", cohort.scans[0].images)
    assert run.folds_for(new, "none of these") == ((1, 2, 3, 4), False)
    metrics = json.loads((tmp_path / "run/metrics.json").read_text())
    assert metrics["network"]["pooled"]["images"] == 40
    assert metrics["network"]["pooled"]["repeats"] == 2
    assert len(metrics["network"]["folds"]) == 4
    means = table.groupby("scan")["probability_bright"].mean()
    truth = table.groupby("scan")["label"].first() == "bright"
    together = metrics["network"]["ensemble"]
    assert together["networks"] == 2
    assert together["pooled"]["auc"]["value"] == pytest.approx(roc_auc_score(truth, means))
    sections = {one.heading: one for one in metric_sections(read_run(tmp_path / "run"))}
    (text,) = sections["Networks together: Network"].paragraphs
    assert "maps a new scan by all 4 networks" in text
    # Of twenty controls each is mapped twice and counts once.
    assert len(run.controls) == 40
    assert len(run.controls_for(new, "none of these", "bright").scores) == 20


def test_repeats_of_a_split_of_the_table_are_networks_with_other_seeds(bright_cohort, tmp_path):
    table = pd.read_csv(bright_cohort / "participants.tsv", sep="\t", dtype=str)
    table["split"] = ["test" if place % 4 < 2 else "train" for place in range(len(table))]
    table.to_csv(bright_cohort / "participants.tsv", sep="\t", index=False)
    config = SMALL.model_copy(update={"epochs": 1, "repeats": 2})
    run = trained(bright_cohort, tmp_path / "run", config).run
    weights = [(tmp_path / f"run/fold-{fold}/network.safetensors").read_bytes() for fold in (1, 2)]
    assert weights[0] != weights[1]
    rows = {row.scan: row for row in run.splits}
    for scan in open_cohort(bright_cohort).scans:
        tested = scan.split == "test"
        assert rows[scan.name].tested_by == ((1, 2) if tested else ())
        assert run.folds_for(scan, rows[scan.name].voxel_hash) == ((1, 2), not tested)
    metrics = json.loads((tmp_path / "run/metrics.json").read_text())
    assert metrics["source"] == "test split"
    assert metrics["network"]["ensemble"]["networks"] == 2
    assert metrics["network"]["calibrated"] is None
    together = metric_sections(read_run(tmp_path / "run"))[0]
    assert any("2 times, with other seeds on the same split" in p for p in together.paragraphs)


def test_each_test_scan_has_its_distance_from_what_its_fold_learnt_from(bright_run):
    folder, report = bright_run
    run, cohort = report.run, open_cohort(folder)
    assert sorted(row.scan for row in run.distances) == sorted(scan.name for scan in cohort.scans)
    for scan in cohort.scans[:4]:
        (row,) = (row for row in run.distances if row.scan == scan.name)
        assert row.group == scan.group
        assert run.folds_for(scan, "unknown") == ((row.fold,), False)
        image = torch.from_numpy(run.preparation.apply(read_scan(scan)).voxels)[None]
        distance = run.explainer(row.fold).logits(image).distance
        assert row.distance == pytest.approx(float(distance), rel=1e-3)
    noise = torch.randn(1, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    far = [float(run.explainer(fold).logits(noise).distance) for fold in (1, 2)]
    assert run.held_out.multiple((1, 2), far) > 2 * run.held_out.limit
    assert sum(each > run.held_out.limit for each in run.held_out.multiples) <= 2
    assert run.voxel_sizes is None


def test_what_tells_the_class_without_the_network_is_measured_on_its_folds(bright_run):
    folder, report = bright_run
    rows = {row.source: row for row in report.shortcuts}
    assert set(rows) == {"kind of participant_id", "border of the image", "all of these"}
    ids = rows["kind of participant_id"]  # of one digit or two, as often in either class
    assert (ids.auc, ids.warned, ids.class_name) == (0.5, "", "all")
    assert ids.detail == "A1D2: bright 15, plain 15; A1D1: bright 5, plain 5"
    pooled = report.metrics["network"]["pooled"]["auc"]["value"]
    for row in rows.values():
        assert (row.scans, row.participants) == (40, 40)
        assert row.network == pytest.approx(pooled, abs=1e-4)
        assert row.difference == pytest.approx(pooled - row.auc, abs=1e-4)
    found = pd.read_csv(folder / "run/shortcuts.tsv", sep="\t")
    assert found["auc"].tolist() == [row.auc for row in report.shortcuts]


def test_a_learning_curve_is_put_together_from_folds_and_tells_of_the_run(bright_cohort, tmp_path):
    config = SMALL.model_copy(update={"epochs": 1})
    cohort, out = open_cohort(bright_cohort), tmp_path / "run"
    asked = {"hardware": CPU, "learning_curve": True}
    assert train_one_fold(cohort, out, 2, config, **asked) == 2
    subsets = out / "learning-curve"
    first = (subsets / "half/fold-2/network.safetensors").stat().st_mtime_ns
    assert not (subsets / "half/fold-1").exists()
    report = trained(bright_cohort, out, config, learning_curve=True)
    assert (subsets / "half/fold-2/network.safetensors").stat().st_mtime_ns == first
    curve = json.loads((out / "learning-curve.json").read_text())
    assert curve == {"format": 1, **json.loads(json.dumps(report.learning_curve))}
    assert [one["subjects"] for one in curve["measured"]] == [6, 10, 20]
    whole = report.metrics["network"]["pooled"]["auc"]["value"]
    assert curve["measured"][-1]["auc"]["value"] == pytest.approx(whole)
    losses = [(subsets / f"{name}/fold-1/history.tsv").read_text() for name in ("quarter", "half")]
    assert [text.count("\n") - 1 for text in losses] == [4, 2]  # about as many steps
    with pytest.raises(
        InputError, match="the task regression has none: leave out --learning-curve"
    ):
        trained(
            bright_cohort,
            out,
            SMALL.model_copy(update={"task": "regression"}),
            **{"learning_curve": True},
        )


def test_a_finished_run_is_scored_by_columns_without_training(bright_run, tmp_path):
    folder, report = bright_run
    table = pd.read_csv(folder / "participants.tsv", sep="\t")
    sex = ["F" if index < 24 else "M" for index in range(36)] + ["n/a"] * 4
    table["sex"], table["age"] = sex, [str(20 + index) for index in range(40)]
    table["image"] = [str(folder / name) for name in table["image"]]
    shutil.copytree(folder / "run", tmp_path / "run")
    cohort = open_cohort(write_table(tmp_path, table.to_dict("records")))
    with pytest.raises(InputError, match="no column 'site' with a value, only age, sex"):
        train_cohort(cohort, tmp_path / "run", SMALL, by=["site"])
    again = train_cohort(cohort, tmp_path / "run", SMALL, hardware=CPU, progress=False,
                         by=["Sex", "age"])  # fmt: skip
    assert again.metrics == report.metrics
    rows = {(row.column, row.value): row for row in read_by_column(tmp_path / "run/by_column.tsv")}
    assert [(key, row.scans, row.participants) for key, row in rows.items()] == [
        (("sex", "F"), 24, 24), (("sex", "M"), 12, 12), (("sex", "n/a"), 4, 4),
        (("age", "20 to 33"), 14, 14), (("age", "34 to 46"), 13, 13), (("age", "47 to 59"), 13, 13),
    ]  # fmt: skip
    assert rows["sex", "n/a"].metrics == {}
    found = pd.read_csv(tmp_path / "run/predictions.tsv", sep="\t").set_index("participant")
    women = found.loc[[f"p{index}" for index in range(24)]]
    right = (women["predicted"] == women["label"]).mean()
    value, low, high = rows["sex", "F"].metrics["accuracy"]
    assert value == pytest.approx(right, abs=1e-4)
    assert low <= value <= high
    page = write_cohort_report(tmp_path / "run", None, tmp_path / "report.html").read_text()
    assert "By column" in page
    assert "too few" in page


def test_the_manifest_says_what_was_learnt_from_and_with_what(bright_run):
    folder, report = bright_run
    manifest = report.run.manifest
    assert manifest["reported"] == "out-of-fold"
    assert manifest["seed"] == 0
    assert manifest["scans"] == 40
    assert torch.__version__.startswith(manifest["versions"]["torch"].split("+")[0])
    assert len(manifest["fold_details"]) == 2
    for details in manifest["fold_details"]:
        assert details["references"] == {"bright": "plain", "plain": "bright"}
    assert str(folder) not in json.dumps(manifest)


def test_a_second_call_changes_nothing_and_trains_nothing(bright_run):
    folder, _ = bright_run
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("network.safetensors")}
    content = files(folder / "run")
    trained(folder, folder / "run")
    assert files(folder / "run") == content
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_finished_run_prepares_no_image_again(bright_run, monkeypatch):
    folder, _ = bright_run

    def prepare(*arguments, **options):
        raise AssertionError("images were prepared for nothing")

    monkeypatch.setattr(fold_jobs, "prepare_samples", prepare)
    assert trained(folder, folder / "run").run.folds == 2


def test_folds_of_several_jobs_are_put_together_as_if_they_were_of_one(bright_run, tmp_path):
    folder, _ = bright_run
    cohort, options = open_cohort(folder), {"hardware": CPU, "progress": False}
    assert train_one_fold(cohort, tmp_path / "run", 2, SMALL, **options) == 2
    assert [path.name for path in sorted((tmp_path / "run").glob("fold-*"))] == ["fold-2"]
    with pytest.raises(LoadError, match="not complete"):
        Run.open(tmp_path / "run")
    with pytest.raises(InputError, match="there is no fold 3: the run has folds 1 to 2"):
        train_one_fold(cohort, tmp_path / "run", 3, SMALL, **options)
    begun = (tmp_path / "run/fold-2/network.safetensors").stat().st_mtime_ns
    job = threading.Thread(
        target=train_one_fold, args=(cohort, tmp_path / "run", 1, SMALL), kwargs=options
    )
    with ScanClaims(tmp_path / "run") as another_job:
        assert another_job.take("fold-1")
        job.start()
        job.join(1.5)
        assert job.is_alive()
        assert not (tmp_path / "run/fold-1").exists()
    job.join()
    trained(folder, tmp_path / "run")
    assert (tmp_path / "run/fold-2/network.safetensors").stat().st_mtime_ns == begun
    assert files(tmp_path / "run") == files(folder / "run")


def test_other_options_or_another_cohort_are_refused(bright_run):
    folder, _ = bright_run
    with pytest.raises(InputError, match="seed was 0, is 1"):
        trained(folder, folder / "run", SMALL.model_copy(update={"seed": 1}))
    rows = pd.read_csv(folder / "participants.tsv", sep="\t")
    fewer = rows.iloc[4:].astype(str).to_dict("records")
    for row in fewer:
        row["image"] = str(folder / row["image"])
    (folder / "fewer").mkdir()
    with pytest.raises(InputError, match="other scans"):
        trained(write_table(folder / "fewer", fewer), folder / "run")


def test_a_folder_with_something_else_is_left_alone(bright_cohort, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis/chapter.txt").write_text("precious")
    with pytest.raises(InputError, match="not empty"):
        trained(bright_cohort, tmp_path / "thesis")
    assert [path.name for path in (tmp_path / "thesis").iterdir()] == ["chapter.txt"]


def test_bad_scans_stop_training_unless_they_are_left_out(bright_cohort, tmp_path):
    (bright_cohort / "images/04.png").write_bytes(b"")
    with pytest.raises(RefusedScansError, match=r"1 scans.*empty.*--skip-bad"):
        trained(bright_cohort, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    quick = SMALL.model_copy(update={"epochs": 1})
    report = trained(bright_cohort, tmp_path / "run", quick, skip_bad=True)
    assert [problem.reason for problem in report.problems] == ["empty"]
    refused = pd.read_csv(tmp_path / "run/refused.tsv", sep="\t")
    assert refused["reason"].tolist() == ["empty"]
    table = pd.read_csv(tmp_path / "run/predictions.tsv", sep="\t")
    assert len(table) == 39
    assert "p04" not in set(table["participant"])


def test_the_tables_own_split_is_kept(bright_cohort, tmp_path):
    table = pd.read_csv(bright_cohort / "participants.tsv", sep="\t")
    table["split"] = ["test" if index >= 30 else "train" for index in range(40)]
    write_table(bright_cohort, table.to_dict("records"))
    report = trained(bright_cohort, tmp_path / "run")
    assert report.metrics["source"] == "test split"
    assert report.run.folds == 1
    found = pd.read_csv(tmp_path / "run/predictions.tsv", sep="\t")
    assert sorted(found["participant"]) == [f"p{index}" for index in range(30, 40)]
    splits = pd.read_csv(tmp_path / "run/splits.tsv", sep="\t").set_index("participant")
    cohort = {scan.participant: scan for scan in open_cohort(bright_cohort).scans}
    assert report.run.folds_for(cohort["p35"], splits.loc["p35", "voxel_hash"]) == ((1,), False)
    assert report.run.folds_for(cohort["p03"], splits.loc["p03", "voxel_hash"]) == ((1,), True)


def test_each_site_in_turn_is_left_out_and_named(bright_cohort, tmp_path):
    table = pd.read_csv(bright_cohort / "participants.tsv", sep="\t")
    table["site"] = [
        "north" if index % 2 and index < 10 else "AB"[index % 3 > 0] for index in range(40)
    ]
    table["split"] = "train"  # which does not count
    table["scanner"] = ["X" if label == "bright" else "Y" for label in table["label"]]
    write_table(bright_cohort, table.to_dict("records"))
    config = SMALL.model_copy(update={"leave_out": "site", "epochs": 1})
    cohort = open_cohort(bright_cohort)
    assert train_one_fold(cohort, tmp_path / "run", 3, config, hardware=CPU, progress=False) == 3
    report = trained(bright_cohort, tmp_path / "run", config)
    assert report.metrics["source"] == "leave-one-site-out"
    folds = report.metrics["network"]["folds"]
    assert [fold["left_out"] for fold in folds] == ["A", "B", "north"]
    assert [fold["images"] for fold in folds] == [
        (table["site"] == s).sum() for s in ("A", "B", "north")
    ]
    assert folds[2]["auc"]["value"] is None  # it has one class
    assert report.metrics["network"]["pooled"]["auc"]["value"] is not None
    splits = pd.read_csv(tmp_path / "run/splits.tsv", sep="\t").set_index("participant")
    assert splits["left_out"].tolist() == table.set_index("participant_id")["site"].tolist()
    assert splits["split"].isna().all()
    assert [(row.scan, row.left_out) for row in report.run.splits] == list(
        zip(splits["scan"], splits["left_out"], strict=True)
    )
    page = write_cohort_report(tmp_path / "run", None, tmp_path / "report.html").read_text()
    assert "Leave-one-site-out, in 40 scans" in page
    assert "tested by fold 3, north left out" in page
    lacking = "The AUC has no mean of folds: a class has no test scans in north."
    assert without_auc(report.metrics["network"]) == lacking
    assert lacking in page
    *_, confounded = [one for one in report.problems if one.reason == "confounded-site"]
    assert confounded.message.endswith("undefined: north (bright 5, plain 0)")
    shortcuts = {row.source: row for row in report.shortcuts}
    assert set(shortcuts) == {
        *("column scanner", "border of the image", "all of these"),  # not the site that is left out
    }
    assert shortcuts["column scanner"].warned == "as the network"
    assert shortcuts["column scanner"].auc == 1
    pooled = report.metrics["network"]["pooled"]["auc"]["value"]
    assert shortcuts["column scanner"].network == pytest.approx(pooled, abs=1e-4)
    assert shortcuts["column scanner"].difference == pytest.approx(pooled - 1, abs=1e-4)
    assert "the column scanner alone predicts the class nearly as well as the network" in page
    assert "X: bright 20; Y: plain 20" in page


@pytest.mark.parametrize("head", ["labels", "joint"])
def test_both_other_ways_to_learn_the_head_work(bright_cohort, tmp_path, head):
    report = trained(bright_cohort, tmp_path / "run", SMALL.model_copy(update={"head": head}))
    assert report.metrics["head"]["pooled"]["auc"]["value"] > 0.85
    assert report.run.explainer(1).head.target == ("labels" if head == "labels" else "logits")
    if head == "joint":  # one network: its head reproduces its logits
        table = pd.read_csv(tmp_path / "run/predictions.tsv", sep="\t")
        own, head_s = table["probability_bright"], table["head_probability_bright"]
        assert head_s.to_numpy() == pytest.approx(own.to_numpy(), abs=0.05)


def test_copies_and_sessions_do_not_leak(tmp_path):
    """Labels drawn by lot per participant cannot be predicted, however well they are remembered."""
    rows = []
    for index in range(24):
        # Each participant is easy to recognise: a pattern of its own, in both sessions and a copy.
        label = "ab"[index // 12]
        for session in (1, 2):
            name = f"{index}-{session}.png"
            write_picture(tmp_path / "cohort" / name, index, True)
            rows.append({"participant_id": f"p{index}", "image": name, "label": label})
        copy = f"copy-{index}.png"
        (tmp_path / "cohort" / copy).write_bytes((tmp_path / "cohort" / name).read_bytes())
        rows.append({"participant_id": f"copy{index}", "image": copy, "label": label})
    config = SMALL.model_copy(update={"epochs": 15, "validation": 0.0})
    report = trained(write_table(tmp_path / "cohort", rows), tmp_path / "run", config)
    splits = pd.read_csv(tmp_path / "run/splits.tsv", sep="\t")
    assert (splits.groupby("voxel_hash")["fold"].nunique() == 1).all()
    assert (splits.groupby("participant")["fold"].nunique() == 1).all()
    assert 0.2 < report.metrics["network"]["pooled"]["auc"]["value"] < 0.8


def test_a_training_that_was_killed_ends_as_if_it_had_not_been(bright_cohort, tmp_path):
    undisturbed = tmp_path / "a"
    trained(bright_cohort, undisturbed)
    call = command(
        "train", bright_cohort, "--out", tmp_path / "b", "--folds", 2, "--epochs", 12,
        "--shape", "32x32", "--batch-size", 4, "--learning-rate", 0.005, "--accelerator", "cpu",
        "--workers", 1,
    )  # fmt: skip
    killed = 0
    for wait_for in ("fold-1/history.tsv", "fold-2/history.tsv"):
        process = subprocess.Popen(
            call, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 120
        while not (tmp_path / "b" / wait_for).exists() and time.monotonic() < deadline:
            time.sleep(0.01)
            if process.poll() is not None:
                break
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            killed += 1
        process.wait()
    assert killed == 2
    assert not (tmp_path / "b/manifest.json").exists()
    with pytest.raises(LoadError, match="not complete"):
        Run.open(tmp_path / "b")
    assert subprocess.run(call, capture_output=True, check=False).returncode == 0
    (tmp_path / "b/report.html").unlink()  # the command's, not the library's
    shutil.rmtree(tmp_path / "b" / CACHE)
    assert files(tmp_path / "b") == files(undisturbed)


def test_a_damaged_run_is_told(bright_run):
    folder, _ = bright_run
    path = folder / "run/fold-1/network.safetensors"
    content = path.read_bytes()
    try:
        path.write_bytes(content[:-100])
        with pytest.raises(LoadError, match="network"):
            Run.open(folder / "run").explainer(1)
    finally:
        path.write_bytes(content)
    with pytest.raises(LoadError, match="is no run"):
        Run.open(folder)


def command(*arguments):
    return [sys.executable, "-c", "from hrcam.cli import app; app()", *map(str, arguments)]


@pytest.mark.parametrize(("signal_number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_training_that_was_stopped_does_not_look_finished(
    bright_cohort, tmp_path, signal_number, code
):
    process = subprocess.Popen(
        command(
            "train", bright_cohort, "--out", tmp_path / "run", "--folds", 2, "--epochs", 100,
            "--shape", "32x32", "--accelerator", "cpu", "--workers", 1,
        ),
        stderr=subprocess.PIPE,
        # What a shell starts in the background ignores interrupts, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not (tmp_path / "run/fold-1/history.tsv").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal_number)
    _, errors = process.communicate()
    assert process.returncode == code
    assert b"Traceback" not in errors
    assert not (tmp_path / "run/fold-1/network.safetensors").exists()


@pytest.mark.parametrize(
    ("config", "hardware", "said"),
    [
        ({"network": "vgg"}, {}, "there is no network 'vgg'"),
        ({"bootstrap": 1}, {}, "bootstrap is 1.*0 or at least 2"),
        ({"weights": Path("nowhere.pt")}, {}, "there is no file of weights"),
        ({"network": "densenet121", "shape": (2, 2)}, {}, r"grid of 2 × 2 .*another shape"),
        ({"positive": "dark"}, {}, "name one of two classes.*bright, plain"),
        ({"reference": "dark"}, {}, "name one of the classes.*bright, plain"),
        ({}, {"accelerator": "gpu"}, "accelerator 'gpu'"),
        ({}, {"accelerator": "abacus"}, "accelerator 'abacus'"),
        ({}, {"precision": "12-bit"}, "precision '12-bit'"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_begun(
    bright_cohort, tmp_path, config, hardware, said
):
    if hardware.get("accelerator") == "gpu" and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(InputError, match=said):
        train_cohort(
            open_cohort(bright_cohort),
            tmp_path / "run",
            SMALL.model_copy(update=config),
            hardware=CPU.model_copy(update=hardware),
            progress=False,
        )
    assert not (tmp_path / "run").exists()


def test_sensitivity_is_of_the_class_that_is_no_control(bright_run, bright_cohort, tmp_path):
    assert positive_class(("AD", "HC"), None) == "AD"
    assert positive_class(("healthy", "MS"), None) == "MS"
    assert positive_class(("a", "b"), None) == "b"
    assert positive_class(("AD", "HC"), "HC") == "HC"
    assert positive_class(("AD", "HC", "MCI"), None) is None
    _, report = bright_run
    assert report.metrics["positive_class"] == "plain"
    quick = SMALL.model_copy(update={"epochs": 4, "positive": "bright"})
    other = trained(bright_cohort, tmp_path / "run", quick)
    assert other.metrics["positive_class"] == "bright"
    pooled = other.metrics["network"]["pooled"]
    assert pooled["sensitivity"] == pooled["per_class"]["bright"]["sensitivity"]
    table = pd.read_csv(tmp_path / "run/predictions.tsv", sep="\t")
    ill = table[table["label"] == "bright"]
    assert pooled["sensitivity"]["value"] == pytest.approx((ill["predicted"] == "bright").mean())


def test_metrics_are_also_given_as_means_over_folds(bright_run):
    _, report = bright_run
    folds = report.metrics["network"]["folds"]
    mean = np.mean([fold["auc"]["value"] for fold in folds])
    assert report.metrics["network"]["fold_mean"]["auc"]["value"] == pytest.approx(mean)


def test_warnings_of_a_fit_are_kept_with_the_names_of_classes(bright_cohort, tmp_path):
    quick = SMALL.model_copy(update={"epochs": 1, "learning_rate": 1e-6})
    with pytest.warns(HRCAMWarning, match=r"class (bright|plain)"):
        report = trained(bright_cohort, tmp_path / "run", quick)
    kept = [text for fold in report.run.manifest["fold_details"] for text in fold["warnings"]]
    assert any("class bright" in text or "class plain" in text for text in kept)


def test_what_the_checks_found_is_told_before_training(bright_cohort, tmp_path):
    seen = []

    def stop(checked):
        seen.append(checked.fingerprint.scans)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(bright_cohort, tmp_path / "run", on_checked=stop)
    assert seen == [40]
    assert not (tmp_path / "run").exists()
    misspelt = SMALL.model_copy(update={"leave_out": "hospital"})
    with pytest.raises(InputError, match="no column 'hospital'"):
        trained(bright_cohort, tmp_path / "run", misspelt, on_checked=stop)
    assert seen == [40]
