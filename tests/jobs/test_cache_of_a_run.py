"""What a training has decoded, nothing that follows decodes again."""

import shutil

import pytest
from small_runs import files_of, write_pictures
from typer.testing import CliRunner

from hrcam.artifacts.cache import CACHE
from hrcam.cli import app
from hrcam.cohort.check import examination
from hrcam.mapping import stages
from hrcam.preparation import prepared_scan
from hrcam.report import cohort_report

pytestmark = pytest.mark.usefixtures("no_report")


@pytest.fixture
def no_report(monkeypatch):
    monkeypatch.setattr(cohort_report, "write_cohort_report", lambda *_: None)


def call(*arguments):
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exit_code == 0, result.output
    return result.output


def refuse_to_read(scan):
    raise AssertionError(f"{scan.name} was decoded again")


def test_a_scan_is_decoded_by_check_and_preparation_alone(tmp_path, monkeypatch):
    for number, label in enumerate(("control", "patient")):
        write_pictures(tmp_path / "cohort" / label, 8, seed=number)
    run = tmp_path / "run"
    train = ("train", tmp_path / "cohort", "--out", run, "--folds", 2, "--epochs", 1,
             "--accelerator", "cpu", "--workers", 1, "--batch-size", 4)  # fmt: skip
    monkeypatch.setattr("hrcam.progress._EVERY", 0)
    said = call(*train)
    for line in ("checking: 16 of 16 scans", "preparing: 16 of 16", "training: 1 of 2 epochs"):
        assert line in said
    assert "training: 2 of 2 epochs" in said
    assert sum(path.is_file() for path in (run / CACHE).rglob("*")) == 2 * 16

    def mapped(name, *options, checked=False):
        with monkeypatch.context() as patch:
            if not checked:
                patch.setattr(stages, "check_folder", lambda *_: None)
            call(
                "map", run, tmp_path / "cohort", "--out", tmp_path / name, "--workers", 1, *options
            )
        found = files_of(tmp_path / name)
        return {file: content for file, content in found.items() if "sanity" not in file}

    expected = mapped("decoded", "--no-cache")
    with monkeypatch.context() as patch:
        for module in (examination, prepared_scan):
            patch.setattr(module, "read_scan", refuse_to_read)
        call(*train)
        assert mapped("kept", checked=True) == expected
        assert (tmp_path / "kept/sanity.json").exists()
    for path in (run / CACHE).rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[:-7])
    assert mapped("torn") == expected
    shutil.rmtree(run / CACHE)
    assert mapped("small", "--cache-size", 0) == expected
    assert not (run / CACHE).exists()
