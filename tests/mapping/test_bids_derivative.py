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
        # Of a picture there is no label image that BIDS knows.
        of_pictures = {"SIDECAR_WITHOUT_DATAFILE", "ALL_FILENAME_RULES_HAVE_ISSUES"}
        assert {code for code, _ in found} - of_pictures == {"NOT_INCLUDED"}
        assert all(any(fnmatch(path, f"*{pattern}") for pattern in ignored) for _, path in found)


def test_label_images_of_findings_have_their_tables_and_sources(tmp_path, volume_run):
    study = write_study(tmp_path / "study")
    map_scans(volume_run, open_cohort(study).scans, tmp_path / "maps", classes="patient")
    place = tmp_path / "maps/sub-01/anat/sub-01_run-2_seg-patient_desc-findings_dseg"
    labels = nibabel.load(f"{place}.nii.gz")
    assert labels.get_data_dtype() == np.uint16
    rows = place.with_suffix(".tsv").read_text().splitlines()
    assert rows[0].startswith("index\tname\tclass\tvoxels\tsize\t")
    assert [row.split("\t")[1] for row in rows[1:]] == [
        f"patient {index}" for index in range(1, int(labels.dataobj[:].max()) + 1)
    ]
    about = json.loads(place.with_suffix(".json").read_text())
    assert about["Sources"][0].endswith("sub-01/anat/sub-01_run-2_T1w.nii.gz")
    assert about["size"]["Units"] == "mm^3"
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
