"""The plan of a training: its rules, its file, and who may override it."""

import json
from pathlib import Path

import numpy as np
import pytest
from picture_cohorts import write_picture, write_table
from typer.testing import CliRunner

from hrcam.cli import app
from hrcam.cohort.check import check_cohort
from hrcam.cohort.opening import open_cohort
from hrcam.errors import InputError, LoadError, NewerFormatError
from hrcam.training import Hardware, Run, TrainingConfig, make_plan, read_plan, train_cohort
from hrcam.training.plan import PlanOptions
from hrcam.training.plan_rules import classes_of_sides, epochs_for, training_images

CPU = Hardware(accelerator="cpu", workers=1)


def checked(folder):
    return check_cohort(open_cohort(folder), workers=1, progress=False)


def test_the_plan_of_a_cohort_of_pictures(bright_cohort):
    plan = make_plan(checked(bright_cohort))
    assert plan.model_dump() == {
        "shape": (48, 48),  # 40 × 48, in multiples of 16
        "spacing": None,
        "network": "small",
        "batch_size": 16,
        "epochs": 100,  # of one step each
        "patience": 50,
        "learning_rate": 2e-3,
        "balance": "loss",
        "validation": 0,
        "mirror": True,
        "rotation": 15,
        "zoom": 0.2,
        "shift": 0.15,
    }
    assert set(plan.reasons) == set(plan.model_dump())
    assert "40 × 48 pixels" in plan.reasons["shape"]
    assert "about 32 images" in plan.reasons["epochs"]  # 40 × 4/5
    assert "50 %" in plan.reasons["balance"]


def test_what_is_given_is_kept_and_what_follows_from_it_is_planned(bright_cohort):
    plan = make_plan(
        checked(bright_cohort),
        TrainingConfig(
            shape=(32, 64),
            batch_size=8,
            learning_rate=2e-3,
            plan=PlanOptions(batch_size=4, epochs=7, mirror=False, zoom=0.2),
        ),
    )
    assert (plan.shape, plan.batch_size, plan.epochs, plan.mirror) == ((32, 64), 8, 7, False)
    assert plan.patience == 4
    assert plan.reasons["shape"] == "given as an option; planned: [48, 48]"
    assert plan.reasons["batch_size"] == "given as an option; planned: 16"
    assert plan.reasons["learning_rate"] == "given as an option"
    assert plan.reasons["epochs"] == "given in the plan file; planned: 100"
    assert plan.reasons["zoom"] == make_plan(checked(bright_cohort)).reasons["zoom"]


def test_subjects_are_set_aside_only_where_they_decide_something(bright_cohort):
    def planned(**options):
        return make_plan(checked(bright_cohort), TrainingConfig(**options))

    assert planned().validation == 0
    assert planned(patience=5).validation == 0.15
    assert planned(plan=PlanOptions(patience=5)).validation == 0.15
    assert planned(plan=PlanOptions(patience=5, validation=0)).validation == 0
    with pytest.raises(InputError, match=r"patience is 5, but no validation images"):
        planned(patience=5, plan=PlanOptions(validation=0))
    tried = planned(tries=2)
    assert tried.validation == 0.15
    assert "to compare the plans" in tried.reasons["validation"]
    assert "about 27 images" in tried.reasons["epochs"]  # 40 × 4/5 × 0.85
    assert "none: all" in planned().reasons["validation"]
    table = [
        {"participant_id": f"p{i:02d}", "image": f"images/{i:02d}.png",
         "label": "bright" if i % 2 else "plain",
         "split": ("train", "validation", "test")[i // 2 % 3]}
        for i in range(40)
    ]  # fmt: skip
    write_table(bright_cohort, table)
    for plan in (planned(), planned(plan=PlanOptions(patience=5)), planned(tries=2)):
        assert plan.validation == 0
        assert "the validation scans of the table" in plan.reasons["validation"]
        assert "about 14 images" in plan.reasons["epochs"]
    assert planned(validation=0).validation == 0
    with pytest.raises(InputError, match=r"validation is 0.2, but the table"):
        planned(validation=0.2)
    assert planned(tries=2).reasons["validation"].endswith("which compare the plans that are tried")


def test_initial_weights_are_changed_by_small_steps(bright_cohort):
    def rate(**options):
        return make_plan(checked(bright_cohort), TrainingConfig(**options)).learning_rate

    weights = Path("pretrained.pth")
    assert rate(weights=weights) == pytest.approx(rate() / 10)
    assert rate(weights=weights, freeze=True) == rate()
    assert rate(weights=weights, learning_rate=1e-3) == 1e-3


def test_the_number_of_epochs_suits_the_cohort():
    assert epochs_for(512, 16) == 75  # 32 steps each
    assert epochs_for(30, 16) == 100
    assert epochs_for(100_000, 16) == 10


def test_the_training_part_is_that_of_a_fold_or_of_the_split(bright_cohort):
    def images(**options):
        return training_images(open_cohort(bright_cohort), TrainingConfig(**options), 0.1)

    assert images(folds=4) == 27
    table = [
        {"participant_id": f"p{i:02d}", "image": f"images/{i:02d}.png",
         "label": "bright" if i % 2 else "plain", "scanner": "abc"[i % 3],
         "split": "test" if i < 10 else "train"}
        for i in range(40)
    ]  # fmt: skip
    write_table(bright_cohort, table)
    assert images(folds=4) == 27
    for row in table[10:20]:
        row["split"] = "validation"
    write_table(bright_cohort, table)
    assert images(folds=4) == 20
    assert images(leave_out="Scanner") == 24


def test_classes_that_are_named_by_sides_are_not_mirrored(bright_cohort):
    assert classes_of_sides(["left_TLE", "Right TLE", "control"]) == ["Right TLE", "left_TLE"]
    assert classes_of_sides(["L", "R"]) == ["L", "R"]
    assert classes_of_sides(["stage-l", "copyright", "leftover"]) == []
    table = (bright_cohort / "participants.tsv").read_text()
    (bright_cohort / "participants.tsv").write_text(table.replace("\tbright", "\tleft"))
    plan = make_plan(checked(bright_cohort))
    assert not plan.mirror
    assert plan.reasons["mirror"] == "a mirrored image would be of another class: left"


def test_a_written_plan_is_read_as_it_was_and_never_overwritten(bright_cohort, tmp_path):
    path = tmp_path / "plan.yaml"
    arguments = ["check", str(bright_cohort), "--workers", "1", "--plan", str(path)]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    plan = make_plan(checked(bright_cohort))
    assert read_plan(path).model_dump() == plan.model_dump()
    lines = path.read_text().splitlines()
    for name, reason in plan.reasons.items():
        assert any(
            line.startswith(f"{name}: ") and line.endswith(f"  # {reason}") for line in lines
        )
    assert CliRunner().invoke(app, arguments).exit_code == 1
    assert path.read_text().splitlines() == lines


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("epochs: 5\nepoch: 6\n", r"line 2: a plan has no 'epoch': use epochs"),
        ("epochs: 5\n\nepochs: 6\n", r"line 3: epochs is also on line 1"),
        ("batch_size: 16.5\n", r"line 1: batch_size is 16.5: .*integer"),
        ("# a\nmirror: 1\n", r"line 2: mirror is 1: .*boolean"),
        ("validation: 0.7\n", r"line 1: validation is 0.7: .*less than 0.5"),
        ("shape: [96, -1]\n", r"line 1: shape is \[96, -1\]: .*greater than or equal to 1"),
        ("spacing: 1.0\n", r"line 1: spacing is 1.0: .*array"),
        ("balance: weights\n", r"line 1: balance is 'weights': .*'loss' or 'sampling'"),
        ("epochs: 5\nshape: [96\n", r"line 3: not valid YAML"),
        ("- epochs\n", "holds no names with values"),
        ("1: 2\n", "line 1: a plan has no '1'"),
    ],
)
def test_a_wrong_line_is_named_with_what_to_do(tmp_path, content, said):
    (tmp_path / "plan.yaml").write_text(content)
    with pytest.raises(InputError, match=said):
        read_plan(tmp_path / "plan.yaml")


def test_numbers_may_be_written_as_usual_and_lines_be_left_out(tmp_path):
    (tmp_path / "plan.yaml").write_text("learning_rate: 1e-3\nzoom: 0\nspacing: null\n")
    assert read_plan(tmp_path / "plan.yaml") == PlanOptions(learning_rate=1e-3, zoom=0)
    (tmp_path / "plan.yaml").write_text("# nothing\n")
    assert read_plan(str(tmp_path / "plan.yaml")) == PlanOptions()
    (tmp_path / "plan.yaml").write_text("format: 99\n")
    with pytest.raises(NewerFormatError, match="format 99"):
        read_plan(tmp_path / "plan.yaml")
    with pytest.raises(InputError, match="there is no plan"):
        read_plan(tmp_path / "another.yaml")


def test_a_plan_file_trains_what_options_do_and_the_run_keeps_the_plan(tmp_path):
    rows = []
    for index in range(16):
        write_picture(tmp_path / f"{index}.png", index, index % 2 == 1)
        label = "bright" if index % 2 else "plain"
        rows.append({"participant_id": f"p{index}", "image": f"{index}.png", "label": label})
    write_table(tmp_path, rows)
    values = {"epochs": 2, "shape": (16, 16), "batch_size": 4, "balance": "sampling"}
    (tmp_path / "plan.yaml").write_text(
        "epochs: 9\nshape: [16, 16]\nbatch_size: 4\nbalance: sampling\n"
    )
    options = TrainingConfig(folds=2, **values)
    train_cohort(open_cohort(tmp_path), tmp_path / "a", options, hardware=CPU, progress=False)
    call = ["train", tmp_path, "--out", tmp_path / "b", "--plan", tmp_path / "plan.yaml",
            "--folds", 2, "--epochs", 2, "--accelerator", "cpu", "--workers", 1]  # fmt: skip
    result = CliRunner().invoke(app, list(map(str, call)))
    assert result.exit_code == 0, result.output
    for name in ("fold-1/network.safetensors", "fold-2/predictions.tsv", "preparation.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    run = Run.open(tmp_path / "b")
    assert run.plan.model_dump() == Run.open(tmp_path / "a").plan.model_dump()
    assert (run.network, run.config.batch_size, run.config.epochs) == ("small", 4, 2)
    asked = json.loads((tmp_path / "b/config.json").read_text())
    assert (asked["epochs"], asked["plan"]["epochs"], asked["batch_size"]) == (2, 9, None)
    call[-5] = 3
    result = CliRunner().invoke(app, list(map(str, call)))
    assert (result.exit_code, "epochs was 2, is 3" in result.output) == (1, True)
    (tmp_path / "b/plan.yaml").write_text("epochs: 2\n")
    with pytest.raises(LoadError, match="has no shape"):
        _ = Run.open(tmp_path / "b").plan
    # A run of a version that planned nothing has all in its configuration.
    (tmp_path / "b/plan.yaml").unlink()
    (tmp_path / "b/config.json").write_text(json.dumps({"network": "small", "head": "logits"}))
    earlier = Run.open(tmp_path / "b")
    explainer = earlier.explainer(1)
    assert np.isfinite(explainer.fidelity)
    with pytest.raises(LoadError, match="there is no plan"):
        _ = earlier.plan
