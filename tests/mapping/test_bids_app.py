"""`hrcam-bids`: from a BIDS data set to a derivative, both valid, by its two levels."""

import json
import shutil

import numpy as np
import pytest
from bids_validation import bids_issues
from small_runs import files_of, write_volume

from hrcam.artifacts.maps_folder import read_maps
from hrcam.cli.bids_app import TRAINING, main
from hrcam.training import Run

QUICK = ("--nprocs", "1", "--accelerator", "cpu")
UNSEEN = (*QUICK, "--skip-bids-validation")
"""Of a data set that other tests validate."""


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Slices of noise with a bright spot in every second one; the last subject has two sessions."""
    root = tmp_path_factory.mktemp("bids") / "study"
    generator = np.random.default_rng(0)
    rows = ["participant_id\tlabel"]
    for number in range(1, 13):
        rows.append(f"sub-{number:02d}\t{('control', 'patient')[number % 2]}")
        for session in ("ses-1_", "ses-2_") if number == 12 else ("",):
            voxels = generator.normal(10, 1, (16, 16, 1))
            voxels[4:8, 4:8] += 20 * (number % 2)
            folder = root / f"sub-{number:02d}" / session.rstrip("_") / "anat"
            folder.mkdir(parents=True)
            image = folder / f"sub-{number:02d}_{session}T1w.nii.gz"
            write_volume(image, voxels, np.eye(4))
    (root / "participants.tsv").write_text("\n".join(rows) + "\n")
    about = {"Name": "Study", "BIDSVersion": "1.11.1", "Authors": ["A. One", "B. Two"]}
    (root / "dataset_description.json").write_text(json.dumps(about))
    return root


@pytest.fixture(scope="module")
def derivative(study):
    """Of the group level, where BIDS has derivatives."""
    out = study / "derivatives/hrcam"
    training = ("--folds", "2", "--epochs", "1", "--random-seed", "3")
    assert main([str(study), str(out), "group", *training, *QUICK]) == 0
    return out


def test_the_group_level_trains_maps_and_reports(study, derivative):
    assert bids_issues(study) == []
    assert bids_issues(derivative) == []
    run = Run.open(derivative / TRAINING)
    assert (run.config.folds, run.config.epochs, run.manifest["seed"]) == (2, 1, 3)
    records = read_maps(derivative).records
    assert len(records) == 13
    assert not any(record.seen_in_training for record in records)
    assert "sub-12_ses-2" in {record.scan for record in records}
    assert "<title>HR-CAM report</title>" in (derivative / "report.html").read_text()
    description = json.loads((derivative / "dataset_description.json").read_text())
    assert description["Authors"] == ["A. One", "B. Two"]


@pytest.mark.usefixtures("unchecked")
def test_participants_and_sessions_are_mapped_one_by_one(study, derivative, tmp_path):
    out = tmp_path / "out"
    model = ("--model", str(derivative / TRAINING), *UNSEEN)
    nobody = ("--participant-label", "03", "sub-12", "--session-label", "9")
    assert main([str(study), str(out), "participant", "--participant-label", "03", *model]) == 0
    assert [record.scan for record in read_maps(out).records] == ["sub-03"]
    with pytest.raises(SystemExit) as refused:
        main([str(study), str(out), "session"])
    assert refused.value.code == 2
    assert main([str(study), str(out), "participant", *nobody, *model]) == 1
    labels = ("--participant_label", "12", "--session_label", "ses-2")
    assert main([str(study), str(out), "participant", *labels, *model]) == 0
    assert [record.scan for record in read_maps(out).records] == ["sub-03", "sub-12_ses-2"]
    maps = files_of(out)
    assert main([str(study), str(out), "group", *model]) == 0
    assert {name: maps[name] for name in maps} == {name: files_of(out)[name] for name in maps}
    assert files_of(out).keys() - maps.keys() == {"report.html"}
    assert bids_issues(out) == []


def test_the_training_of_the_group_level_is_used_for_further_scans(study, derivative):
    before = files_of(derivative)
    assert main([str(study), str(derivative), "participant", *UNSEEN]) == 0
    assert files_of(derivative) == before


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        (None, ("participant",), "needs a finished training: give --model"),
        (None, ("group", "--participant-label", "99"), "there is no image of sub-99: see --part"),
        (
            "sub-01/anat/sub-01_T1w.txt",
            ("group",),
            "EXTENSION_MISMATCH /sub-01/anat/sub-01_T1w.txt",
        ),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    study, tmp_path, capsys, change, arguments, message
):
    copy = tmp_path / "study"
    shutil.copytree(study, copy, ignore=shutil.ignore_patterns("derivatives"))
    options = UNSEEN
    if change:
        (copy / change).touch()
        options = QUICK
    level, *more = arguments
    assert main([str(copy), str(tmp_path / "out"), level, *more, *options]) == 1
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert message in said


def test_what_is_no_bids_data_set_is_refused(tmp_path, capsys):
    (tmp_path / "images").mkdir()
    assert main([str(tmp_path / "images"), str(tmp_path / "out"), "group"]) == 1
    assert "is no BIDS data set" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out.startswith("hrcam-bids ")
