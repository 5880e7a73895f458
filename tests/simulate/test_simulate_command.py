import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from hrcam.cli import app
from hrcam.cohort import open_cohort
from hrcam.simulate import NeuromelaninCohort, TumourCohort

run = CliRunner().invoke


@pytest.mark.parametrize(
    ("kind", "options", "cohort"),
    [
        ("tumours", ["--subjects", "3", "--size", "64"], TumourCohort(subjects=3, size=64)),
        (
            "tumours",
            ["--subjects", "2", "--dimensions", "3", "--size", "64",
             "--glioblastoma-fraction", "1", "--seed", "2"],
            TumourCohort(subjects=2, dimensions=3, size=64, glioblastoma_fraction=1.0, seed=2),
        ),
        ("neuromelanin", ["--subjects", "3"], NeuromelaninCohort(subjects=3)),
        (
            "neuromelanin",
            ["--subjects", "4", "--patients", "3", "--dimensions", "3", "--noise", "0.1"],
            NeuromelaninCohort(subjects=4, patient_fraction=0.75, dimensions=3, noise=0.1),
        ),
    ],
)  # fmt: skip
def test_a_command_writes_the_cohort_of_its_options(kind, options, cohort, tmp_path: Path) -> None:
    result = run(app, ["simulate", kind, "--out", str(tmp_path), "--workers", "1", *options])
    assert result.exit_code == 0, result.output
    assert f"{cohort.subjects} simulated subjects" in result.output
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["parameters"] == vars(cohort)
    table = pd.read_csv(tmp_path / "participants.tsv", sep="\t", na_values="n/a")
    assert table.label.tolist() == [cohort.labels[cohort.label(i)] for i in range(cohort.subjects)]
    # The rest of the package reads it as any other cohort.
    read = open_cohort(tmp_path)
    assert not read.problems
    assert [scan.label for scan in read.scans] == table.label.tolist()


def test_more_patients_than_subjects_are_refused(tmp_path: Path) -> None:
    options = ["--subjects", "8", "--patients", "9", "--out", str(tmp_path / "cohort")]
    result = run(app, ["simulate", "neuromelanin", *options])
    assert result.exit_code == 1
    assert result.output.strip() == "error: patients is 9: use 8 or fewer, one per subject"
    assert not (tmp_path / "cohort").exists()
