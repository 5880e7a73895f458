"""The examples on small simulated cohorts: that they run, and on the right scans."""

import subprocess
import sys
from pathlib import Path

from hrcam.cohort import open_cohort
from hrcam.simulate import LesionCohort, write_cohort
from hrcam.training import Hardware, TrainingConfig, train_cohort

ROOT = Path(__file__).parents[2]


def test_methods_are_compared_on_the_scans_that_a_fold_has_not_seen(tmp_path):
    write_cohort(
        LesionCohort(subjects=60, size=48, radius=(2, 4), strength=1.0),
        tmp_path / "cohort",
        1,
        progress=False,
    )
    train_cohort(
        open_cohort(tmp_path / "cohort"),
        tmp_path / "run",
        TrainingConfig(epochs=3, learning_rate=5e-3),
        hardware=Hardware(accelerator="cpu", workers=1),
        progress=False,
    )
    command = [
        sys.executable, ROOT / "examples/compare_methods.py", tmp_path / "run",
        tmp_path / "cohort", "--out", tmp_path / "results",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "results/table.md").read_text(encoding="utf-8")
    assert "6 scans with a mask" in text  # half of the test split has lesions
    assert "| HR-CAM pattern |" in text
    assert "| CAM, blocks |" in text
    assert "paired" in text
    assert (tmp_path / "results/comparison.png").stat().st_size > 10_000
