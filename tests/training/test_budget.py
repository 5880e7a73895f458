"""The largest plan that fits into a given time."""

import numpy as np
import pandas as pd
import pytest
import torch
from picture_cohorts import write_table
from PIL import Image
from typer.testing import CliRunner

from hrcam.cli import app
from hrcam.cohort.check import check_cohort
from hrcam.cohort.opening import open_cohort
from hrcam.cohort.splits import Fold
from hrcam.errors import InputError
from hrcam.training import Hardware, TrainingConfig, train_cohort
from hrcam.training import budget as budget_module
from hrcam.training.budget import plan_within

CPU = Hardware(accelerator="cpu", workers=1)
FOLDS = [Fold(tuple(map(str, range(160))), tuple(map(str, range(48))), ())] * 2
"""Two folds, with 10 steps an epoch, and as much time as one for validation."""


@pytest.fixture(scope="module")
def checked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("large")
    rows = []
    for index in range(8):
        pixels = np.random.default_rng(index).integers(0, 255, (200, 160)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{index}.png")
        rows.append(
            {"participant_id": f"p{index}", "image": f"{index}.png", "label": "ab"[index % 2]}
        )
    return check_cohort(open_cohort(write_table(folder, rows)), workers=1, progress=False)


def by_area(plan, _preparation):
    """A clock: a second a step for 100 × 100 positions."""
    return np.prod(plan.shape) / 1e4


def within(checked, seconds, clock=by_area, **options):
    config = TrainingConfig(budget=seconds, folds=2, **options)
    return plan_within(checked, config, FOLDS, 2, CPU, clock)


# 100 epochs of 11 steps in two folds are 2200 steps: 7322 s on 208 × 160, 3154 s on 128 × 112.
@pytest.mark.parametrize(
    ("seconds", "shape", "epochs"),
    [
        (8000, (208, 160), 100),  # as fine as the images: no grid of 256
        (7000, (192, 160), 100),
        (3200, (128, 112), 100),
        (1000, (64, 64), 100),
        (900, (96, 80), 50),  # with fewer epochs, once no grid is coarse enough
        (240, (64, 64), 25),
    ],
)
def test_the_largest_plan_is_chosen_that_fits(checked, seconds, shape, epochs):
    found = within(checked, seconds)
    assert (found.plan.shape, found.plan.epochs) == (shape, epochs)
    assert found.plan.patience == -(-epochs // 2)
    last = found.timings[-1]
    assert last.chosen
    assert last.seconds == pytest.approx(22 * epochs * np.prod(shape) / 1e4)
    assert last.seconds <= seconds
    assert all(timing.seconds > seconds for timing in found.timings[:-1])
    assert "the largest plan for" in found.plan.reasons["epochs"]
    assert found == within(checked, seconds)


def test_what_is_given_is_kept(checked):
    found = within(checked, 2000, shape=(64, 48), epochs=7)
    assert (found.plan.shape, found.plan.epochs, len(found.timings)) == ((64, 48), 7, 1)


def test_what_cannot_fit_is_refused_with_the_shortest_estimate(checked):
    with pytest.raises(InputError, match=r"fits into 1 min: .* small on 64 × 64: .* 25 epochs"):
        within(checked, 60)

    def full(plan, preparation):
        if plan.shape[0] > 100:
            raise torch.OutOfMemoryError
        return by_area(plan, preparation)

    assert within(checked, 8000, full).plan.shape == (96, 80)

    def always(plan, preparation):
        raise torch.OutOfMemoryError

    with pytest.raises(InputError, match="memory of the device"):
        within(checked, 8000, always)


def test_the_run_records_what_was_timed_and_a_second_call_times_nothing(
    bright_cohort, tmp_path, monkeypatch
):
    config = TrainingConfig(budget=3600, folds=2, epochs=1, shape=(16, 16), batch_size=4)
    options = {"hardware": CPU, "progress": False}
    train_cohort(open_cohort(bright_cohort), tmp_path / "run", config, **options)
    table = pd.read_csv(tmp_path / "run/timings.tsv", sep="\t")
    assert table[["network", "shape", "epochs", "chosen"]].to_numpy().tolist() == [
        ["small", "16x16", 1, 1]
    ]
    assert 0 < table["seconds_a_step"][0] < 10
    plan = (tmp_path / "run/plan.yaml").read_text()
    assert "the largest plan for 1 h 00 min" in plan

    def time_step(*_):
        raise AssertionError("timed again")

    monkeypatch.setattr(budget_module, "time_step", time_step)
    (tmp_path / "run/manifest.json").unlink()  # as if it had been killed
    train_cohort(open_cohort(bright_cohort), tmp_path / "run", config, **options)
    assert (tmp_path / "run/plan.yaml").read_text() == plan


@pytest.mark.parametrize("text", ["2", "h", "1x", "0m", "1s"])
def test_a_time_is_written_in_hours_and_minutes(tmp_path, text):
    arguments = ["train", str(tmp_path), "--out", str(tmp_path / "run"), "--budget", text]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert "write it as 2h, 90m or 1h30m; the smallest unit is a minute" in result.output
