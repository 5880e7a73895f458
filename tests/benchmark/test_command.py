"""`hrcam benchmark` on a cohort of one's own, as a user runs it, also killed and started again."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_suite import EFFORT, GIVEN
from tiny_runs import square_pictures
from typer.testing import CliRunner

from hrcam.benchmark import suite
from hrcam.benchmark.measurement import COLUMNS
from hrcam.benchmark.measures.attributions import ATTRIBUTIONS
from hrcam.benchmark.summary.ranking import UPPER_BOUND
from hrcam.benchmark.variant import HRCAM_VARIANTS
from hrcam.cli import app
from hrcam.cohort import open_cohort
from hrcam.evaluation.model_free_maps import MODEL_FREE_MAPS

OPTIONS = ["--only", "squares", "--accelerator", "cpu", "--workers", "1"]


def command(folder, out):
    cohort = f"squares={folder / 'cohort'}"
    return ["benchmark", "--out", str(out), "--cohort", cohort, *OPTIONS]


def run(folder, out):
    return CliRunner().invoke(app, command(folder, out))


def unit(out):
    return out / "units/squares-seed-0"


@pytest.fixture(scope="module", autouse=True)
def _small():
    with pytest.MonkeyPatch.context() as patch:
        for name, given in GIVEN.items():
            patch.setitem(suite._GIVEN, name, given)
        yield


@pytest.fixture(scope="module")
def squares(tmp_path_factory):
    """A cohort of squares on noise, with a split, and its benchmark."""
    folder = tmp_path_factory.mktemp("squares")
    square_pictures(folder / "cohort", 36, split=True)
    result = run(folder, folder / "out")
    assert result.exit_code == 0, result.output
    return folder, result


@pytest.fixture(scope="module")
def table(squares):
    folder, _ = squares
    return pd.read_csv(unit(folder / "out") / "measurements.csv", keep_default_na=False)


def test_every_method_is_measured_on_every_unseen_lesion(squares, table):
    folder, _ = squares
    tested = {scan.name for scan in open_cohort(folder / "cohort").scans if scan.split == "test"}
    lesions = {scan.name for scan in open_cohort(folder / "cohort").scans if scan.mask} & tested
    assert tuple(table.columns) == COLUMNS
    scored = table[table["measure"] == "auprc"]
    methods = {one.method for one in (*HRCAM_VARIANTS, *ATTRIBUTIONS, UPPER_BOUND)}
    methods |= set(MODEL_FREE_MAPS)
    rivals = {"CAM", "Grad-CAM", "Grad-CAM++", "LayerCAM", "HiResCAM", "XGrad-CAM", "Eigen-CAM"}
    rivals |= {"Finer-CAM", "RefineCAM", "FullGrad"}
    rivals |= {"Grad-CAM++ (pytorch-grad-cam)", "Eigen-CAM (pytorch-grad-cam)"}
    assert set(scored["method"]) == methods | rivals
    counts = scored.groupby(["method", "level", "fusion", "stage"])["subject"].agg(
        ["nunique", "count"]
    )
    slow = counts.index.get_level_values("method").isin([one.method for one in ATTRIBUTIONS])
    assert (counts[~slow] == len(lesions)).all(axis=None)
    assert (counts[slow] == EFFORT.attributions).all(axis=None)
    assert set(scored["subject"]) == lesions
    stages = scored.groupby(["method", "level", "fusion"])["stage"].unique()
    assert all(list(each) == ["as read", "refined"] for each in stages)
    alarms = table[table["measure"] == "false_positives"]
    assert set(alarms["subject"]) == tested - lesions
    assert np.isfinite(table["value"].astype(float)).all()


def test_bright_squares_are_found_and_chance_is_chance(table):
    means = table[table["measure"] == "auprc"].groupby("method")["value"].mean()
    assert means[UPPER_BOUND.method] > 0.5
    assert means["brightness"] > 0.5
    assert means["random"] < 0.15


def test_faithfulness_and_robustness_are_among_it(table):
    measures = set(table["measure"])
    assert {"insertion", "deletion", "logit_drop"} <= measures
    assert {"noise_stability", "shift_stability", "randomised_ssim", "reproducibility"} <= measures
    perturbed = table[table["measure"] == "insertion"]
    assert {"HR-CAM pattern", "HR-CAM (2019)", "HR-CAM pattern (blurred)"} <= set(
        perturbed["method"]
    )
    assert set(perturbed["stage"]) == {"as read", "refined"}
    randomised = table[table["measure"] == "randomised_ssim"]
    assert set(randomised["stage"]) == {"as read"}
    once = perturbed[perturbed["method"] == "random"]
    assert len(once) == once["subject"].nunique()


def test_predictions_are_of_four_predictors_and_add_up(squares):
    folder, _ = squares
    predicted = pd.read_csv(unit(folder / "out") / "predictions.csv")
    assert set(predicted["predictor"]) == {
        "CNN", "HR-CAM (logits)", "HR-CAM (labels)", "HR-CAM (joint)",
    }  # fmt: skip
    sums = predicted.groupby(["predictor", "subject"])["probability"].sum()
    np.testing.assert_allclose(sums, 1, atol=1e-4)
    run = pd.read_csv(unit(folder / "out") / "run/predictions.tsv", sep="\t").set_index("scan")
    own = predicted[(predicted["predictor"] == "CNN") & (predicted["class"] == "square")]
    for row in own.to_dict("records"):
        assert row["probability"] == run.loc[row["subject"], "probability_square"]


def test_the_head_on_labels_is_of_the_same_network(squares):
    folder, _ = squares
    one, other = (
        unit(folder / "out") / name / "fold-1/network.safetensors" for name in ("run", "run-labels")
    )
    assert one.read_bytes() == other.read_bytes()
    configs = [
        json.loads((unit(folder / "out") / name / "config.json").read_text())["head"]
        for name in ("run", "run-labels", "run-joint")
    ]
    assert configs == ["logits", "labels", "joint"]


def test_subjects_have_the_size_of_their_lesion(squares):
    folder, _ = squares
    subjects = pd.read_csv(unit(folder / "out") / "subjects.csv").set_index("subject")
    ill = subjects[subjects["has_mask"]]
    assert (ill["label"] == "square").all()
    np.testing.assert_allclose(ill["lesion_share"], 81 / (40 * 48))
    assert ill["contrast"].between(1, 5).all()
    assert (subjects.loc[~subjects["has_mask"], "lesion_share"] == 0).all()


def test_maps_are_kept_for_other_seeds(squares):
    folder, _ = squares
    subjects = pd.read_csv(unit(folder / "out") / "subjects.csv").set_index("subject")
    with np.load(unit(folder / "out") / "maps.npz", allow_pickle=False) as maps:
        names = {key.partition("/")[2] for key in maps.files}
        assert {key.partition("/")[0] for key in maps.files} == set(
            subjects.index[subjects["has_mask"]]
        )
        assert {"HR-CAM (2019)", "HR-CAM pattern", "HR-CAM pattern, refined"} <= names
        assert len(names) == 7  # the best rival at one level, and that of all, at both stages
        for key in maps.files:
            assert maps[key].dtype == np.float16
            assert np.abs(maps[key]).max() == 1


def test_the_folder_tells_everything(squares):
    folder, result = squares
    out = folder / "out"
    content = json.loads((unit(out) / "unit.json").read_text())
    assert (content["cohort"], content["source"], content["seed"]) == ("squares", "real", 0)
    assert set(content["seconds_by_part"]) >= {"training", "localisation", "robustness"}
    assert content["versions"]["captum"]
    manifest = json.loads((out / "manifest.json").read_text())
    assert (manifest["suite"], manifest["seeds"]) == ("quick", [0])
    for name in ("benchmark.csv", "summary.csv", "table.md", "index.html"):
        assert (out / name).stat().st_size > 0
    assert (unit(out) / "examples.png").stat().st_size > 10_000
    assert not (out / "cohorts").exists()
    assert str(out / "index.html") in result.output


def test_a_second_call_measures_nothing_again(squares):
    folder, _ = squares
    before = (unit(folder / "out") / "unit.json").stat().st_mtime_ns
    result = run(folder, folder / "out")
    assert result.exit_code == 0, result.output
    assert (unit(folder / "out") / "unit.json").stat().st_mtime_ns == before


def test_another_cohort_under_the_same_name_is_refused(squares, tmp_path):
    folder, _ = squares
    square_pictures(tmp_path / "cohort", 20, split=True)
    result = run(tmp_path, folder / "out")
    assert result.exit_code == 1
    assert "was measured with other options (table_sha256" in result.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--cohort", "nothing"], "NAME=PATH"),
        (["--cohort", "a=x", "--cohort", "a=y"], "two cohorts"),
        (["--only", "lungs"], "no cohort 'lungs'"),
        (["--cohort", "a=/nowhere", "--only", "a"], "does not exist"),
    ],
)
def test_errors_are_one_line(tmp_path, options, message):
    result = CliRunner().invoke(app, ["benchmark", "--out", str(tmp_path / "out"), *options])
    assert result.exit_code == 1
    lines = result.output.strip().splitlines()
    assert lines[-1].startswith("error: ")
    assert message in lines[-1]


def test_another_suite_or_another_folder_is_refused(squares, tmp_path):
    folder, _ = squares
    result = CliRunner().invoke(app, [*command(folder, folder / "out"), "--suite", "full"])
    assert "holds the suite 'quick', not 'full'" in result.output
    (tmp_path / "thesis.txt").write_text("precious")
    result = run(folder, tmp_path)
    assert result.exit_code == 1
    assert "not empty" in result.output


def test_a_folder_of_an_earlier_version_is_refused(tmp_path):
    (tmp_path / "manifest.json").write_text(json.dumps({"suite": "quick", "commands": []}))
    square_pictures(tmp_path / "cohort", 4, split=True)
    result = run(tmp_path, tmp_path)
    assert result.exit_code == 1
    assert "measured by an earlier version of hrcam" in result.output


def test_a_cohort_without_masks_is_told_so(tmp_path):
    square_pictures(tmp_path / "cohort", 20, split=True)
    rows = pd.read_csv(tmp_path / "cohort/participants.tsv", sep="\t").drop(columns="mask")
    rows.to_csv(tmp_path / "cohort/participants.tsv", sep="\t", index=False)
    result = run(tmp_path, tmp_path / "out")
    assert result.exit_code == 1
    assert "give masks in the table's column mask" in result.output


def test_a_killed_benchmark_goes_on_and_ends_with_the_same(squares, tmp_path):
    folder, _ = squares
    out = tmp_path / "out"
    program = [sys.executable, Path(__file__).with_name("small_suite.py"), *command(folder, out)]
    stages = (
        unit(out) / "run/fold-1/checkpoints/last.ckpt",
        unit(out) / "parts/localisation.csv",
    )
    for stage in stages:
        process = subprocess.Popen(
            program, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        deadline = time.monotonic() + 300
        while not stage.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert stage.exists()
        assert not (unit(out) / "unit.json").exists()
    # Another cohort in its place would have been measured in part, by another.
    square_pictures(tmp_path / "cohort", 20, split=True)
    assert "was measured with other options (table_sha256" in run(tmp_path, out).output
    # What a kill in the middle of a copy or of a file leaves behind.
    (unit(out) / "parts/.faithfulness.csv.1.partial").write_text("half")
    result = run(folder, out)
    assert result.exit_code == 0, result.output
    for name in ("measurements.csv", "predictions.csv", "subjects.csv"):
        assert (unit(out) / name).read_bytes() == (unit(folder / "out") / name).read_bytes()
    kept, again = (np.load(unit(one) / "maps.npz") for one in (folder / "out", out))
    assert kept.files == again.files
    assert all(np.array_equal(kept[key], again[key]) for key in kept.files)
    shutil.rmtree(out)
