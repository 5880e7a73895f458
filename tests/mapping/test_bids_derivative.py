"""A folder of maps is a BIDS derivative in which the public validator finds no error."""

import json
import shutil
from fnmatch import fnmatch

import nibabel
import numpy as np
import pytest
from bids_validation import bids_issues
from small_runs import SmallRun, files_of, preparation, write_pictures, write_volume

from hrcam.artifacts.map_names import IGNORED
from hrcam.artifacts.maps_folder import read_maps
from hrcam.cohort.opening import open_cohort
from hrcam.cohort.scan import Scan
from hrcam.mapping import map_scans

pytestmark = pytest.mark.usefixtures("unchecked")
AUTHORS = ["A. One", "B. Two"]


def write_study(root):
    """Subjects with and without sessions, an image of diffusion, and one that cannot be read."""
    images = [
        "sub-01/anat/sub-01_acq-mprage_T1w.nii.gz",
        "sub-01/anat/sub-01_run-2_T1w.nii.gz",
        "sub-02/ses-1/anat/sub-02_ses-1_T1w.nii.gz",
        "sub-02/ses-2/anat/sub-02_ses-2_T1w.nii.gz",
    ]
    generator = np.random.default_rng(0)
    for image in images:
        (root / image).parent.mkdir(parents=True, exist_ok=True)
        write_volume(root / image, generator.normal(size=(8, 9, 7)), np.eye(4))
    (root / "sub-03/anat").mkdir(parents=True)
    (root / "sub-03/anat/sub-03_T1w.nii.gz").write_bytes(b"")
    about = {"Name": "Study", "BIDSVersion": "1.11.1", "Authors": AUTHORS, "DatasetDOI": "doi:10/x"}
    (root / "dataset_description.json").write_text(json.dumps(about))
    return root


@pytest.fixture
def volume_run():
    return SmallRun(preparation((8, 8, 8), (1.0, 1.0, 1.0)), bootstrap=2)


def test_maps_of_a_bids_data_set_are_a_valid_derivative_of_it(tmp_path, volume_run):
    study = write_study(tmp_path / "my study")
    cohort = open_cohort(study)
    report = map_scans(volume_run, cohort.scans, tmp_path / "maps", classes="patient")
    assert (report.done, [problem.scan for problem in report.failed]) == (4, ["sub-03"])
    assert bids_issues(tmp_path / "maps") == []
    names = set(files_of(tmp_path / "maps"))
    for start in (
        *("sub-01/anat/sub-01_acq-mprage", "sub-01/anat/sub-01_run-2"),
        *(f"sub-02/ses-{number}/anat/sub-02_ses-{number}" for number in (1, 2)),
    ):
        assert f"{start}_label-patient_statmap.json" in names
        for kind in ("pattern", "evidence", "std"):
            assert f"{start}_label-patient_desc-{kind}_statmap.nii.gz" in names
    description = json.loads((tmp_path / "maps/dataset_description.json").read_text())
    assert (description["DatasetType"], description["Authors"]) == ("derivative", AUTHORS)
    assert description["SourceDatasets"] == [{"URL": study.as_uri(), "DOI": "doi:10/x"}]
    ((link, target),) = description["DatasetLinks"].items()
    assert target == study.as_uri()
    record = tmp_path / "maps/sub-02/ses-1/anat/sub-02_ses-1_label-patient_statmap.json"
    image = "sub-02/ses-1/anat/sub-02_ses-1_T1w.nii.gz"
    assert json.loads(record.read_text())["Sources"] == [f"bids:{link}:{image}"]
    assert [each.sources for each in read_maps(tmp_path / "maps").records][2] == (study / image,)


def test_only_what_bids_has_no_name_for_is_ignored(tmp_path, volume_run, picture_run):
    map_scans(volume_run, open_cohort(write_study(tmp_path / "study")).scans, tmp_path / "maps")
    map_scans(picture_run, write_pictures(tmp_path / "images", 2), tmp_path / "pictures")
    for folder in ("maps", "pictures"):
        assert bids_issues(tmp_path / folder) == []
        ignored = (tmp_path / folder / ".bidsignore").read_text().split()
        assert ignored == list(IGNORED)
        (tmp_path / folder / ".bidsignore").unlink()
        found = bids_issues(tmp_path / folder)
        assert {code for code, _ in found} - {"SIDECAR_WITHOUT_DATAFILE"} == {"NOT_INCLUDED"}
        assert all(any(fnmatch(path, f"*{pattern}") for pattern in ignored) for _, path in found)


def test_label_images_of_findings_have_valid_names(tmp_path, volume_run):
    study = write_study(tmp_path / "study")
    map_scans(volume_run, open_cohort(study).scans, tmp_path / "maps", classes="patient")
    (first, *_) = read_maps(tmp_path / "maps").records
    place = tmp_path / "maps/sub-01/anat/sub-01_run-2_seg-patient_desc-findings_dseg"
    labels = nibabel.Nifti1Image(np.zeros((8, 9, 7), np.uint8), np.eye(4))
    nibabel.save(labels, place.with_name(f"{place.name}.nii.gz"))
    place.with_suffix(".tsv").write_text("index\tname\tvolume\n")
    about = {"Description": "x", "Sources": ["bids::x"], "volume": {"Description": "in mm³"}}
    place.with_suffix(".json").write_text(json.dumps(about))
    assert first.map_class == "patient"
    assert bids_issues(tmp_path / "maps") == []


def test_further_images_and_authors_are_added_to_the_description(tmp_path, picture_run):
    pictures = write_pictures(tmp_path / "images", 1)
    map_scans(picture_run, pictures, tmp_path / "maps")
    path = tmp_path / "maps/dataset_description.json"
    before = json.loads(path.read_text())
    assert not before.keys() & {"Authors", "SourceDatasets", "DatasetLinks"}
    content = path.read_bytes()
    map_scans(picture_run, pictures, tmp_path / "maps")
    assert path.read_bytes() == content
    (tmp_path / "other").mkdir()
    (tmp_path / "other/dataset_description.json").write_text('{"Authors": "not a list"}')
    (other,) = write_pictures(tmp_path / "other", 1, seed=1)
    scan = Scan("sub-09_desc-preproc", "p9", other.images)
    map_scans(picture_run, [scan], tmp_path / "maps", authors=["C. Three"])
    after = json.loads(path.read_text())
    assert after["Authors"] == ["C. Three"]
    assert list(after["DatasetLinks"].values()) == [(tmp_path / "other").as_uri()]
    assert {key: after[key] for key in before} == before
    (record,) = (tmp_path / "maps/sub-09/anat").glob("sub-09_label-*_statmap.json")
    assert json.loads(record.read_text())["Sources"][0].endswith(":1.png")
    assert bids_issues(tmp_path / "maps") == []


@pytest.mark.real_data
def test_maps_of_real_volumes_are_a_valid_derivative(real_data, tmp_path):
    images = sorted((real_data / "msd_hippocampus_3d/images").glob("*.nii.gz"))[:3]
    for number, image in enumerate(images):
        copy = tmp_path / f"study/sub-{number}/anat/sub-{number}_T1w.nii.gz"
        copy.parent.mkdir(parents=True)
        shutil.copy(image, copy)
    about = {"Name": "Hippocampus", "BIDSVersion": "1.11.1", "Authors": AUTHORS}
    (tmp_path / "study/dataset_description.json").write_text(json.dumps(about))
    assert bids_issues(tmp_path / "study") == []
    run = SmallRun(preparation((16, 24, 16), (2.0, 2.0, 2.0)))
    report = map_scans(run, open_cohort(tmp_path / "study").scans, tmp_path / "maps")
    assert (report.done, report.failed) == (3, ())
    assert bids_issues(tmp_path / "maps") == []
