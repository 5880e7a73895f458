"""The command line, as a user runs it."""

import subprocess
import sys
from types import SimpleNamespace

import pandas as pd
import pytest
from typer.testing import CliRunner

from hrcam import __version__
from hrcam.cli import app

run = CliRunner().invoke


def test_simulate_lesions_writes_a_cohort(tmp_path):
    result = run(
        app,
        ["simulate", "lesions", "--out", str(tmp_path / "cohort"), "--subjects", "6",
         "--size", "32", "--radius", "2", "3", "--workers", "1"],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    table = pd.read_csv(tmp_path / "cohort" / "participants.tsv", sep="\t", na_values="n/a")
    assert table["label"].value_counts().to_dict() == {"control": 3, "lesion": 3}
    assert all((tmp_path / "cohort" / image).exists() for image in table["image"])


def test_an_error_is_one_line_without_a_traceback(tmp_path):
    result = run(app, ["simulate", "lesions", "--out", str(tmp_path), "--dimensions", "5"])
    assert result.exit_code == 1
    assert result.output.startswith("error: dimensions is 5")
    assert "Traceback" not in result.output
    assert len(result.output.strip().splitlines()) == 1


def test_debug_shows_the_error_itself(tmp_path):
    result = run(
        app, ["--debug", "simulate", "lesions", "--out", str(tmp_path), "--dimensions", "5"]
    )
    assert type(result.exception).__name__ == "InputError"


@pytest.mark.parametrize(
    ("arguments", "at_work", "kept"),
    [
        (
            ["check", "c"],
            "hrcam.cohort.open_cohort",
            "keeps nothing; the same command begins again",
        ),
        (["train", "c", "--out", "r"], "hrcam.cohort.open_cohort", "finished epochs are kept"),
        (["map", "r", "c", "--out", "m"], "hrcam.mapping.open_input", "finished maps are kept"),
        (["report", "m", "--out", "p.html"], "hrcam.artifacts.run_folder.is_run", "no page was"),
        (["benchmark", "--out", "b"], "hrcam.benchmark.suite.plan_suite", "finished epochs and"),
    ],
)
def test_ctrl_c_says_what_is_kept_and_how_to_go_on(monkeypatch, arguments, at_work, kept):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(at_work, interrupt)
    monkeypatch.setattr("hrcam.training.Run.open", lambda _: SimpleNamespace(config=None))
    result = run(app, arguments)
    assert result.exit_code == 130
    (line,) = result.output.splitlines()
    assert line.startswith("interrupted: ")
    assert kept in line
    assert "the same command" in line


def test_version_and_help():
    assert run(app, ["--version"]).output.strip() == f"hrcam {__version__}"
    assert "demo" in run(app, ["--help"]).output


@pytest.mark.parametrize("statement", ["import hrcam", "import hrcam.cli"])
def test_heavy_packages_wait_until_they_are_used(statement):
    heavy = "{'torch', 'monai', 'lightning', 'nilearn', 'pandas', 'matplotlib', 'sklearn'}"
    code = f"import sys; {statement}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
