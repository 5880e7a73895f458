"""Cohorts from folders of classes and from BIDS data sets."""

import json
import os
from pathlib import Path

import numpy as np
import pydicom
import pytest
from cohort_files import write_nifti, write_png, write_table
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from hrcam.cohort.check import check_cohort
from hrcam.cohort.opening import open_cohort
from hrcam.cohort.problems import Reason
from hrcam.errors import InputError


def write_series(folder: Path, slices: int = 3) -> Path:
    folder.mkdir(parents=True)
    uid = generate_uid()
    for place in range(slices):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = CTImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
        data.SOPClassUID, data.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
        data.SeriesInstanceUID = uid
        data.Modality, data.PatientID = "CT", "p"
        data.Rows, data.Columns, data.PixelSpacing = 4, 5, [1, 1]
        data.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        data.ImagePositionPatient = [0, 0, 2 * place]
        data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
        data.BitsAllocated, data.BitsStored, data.HighBit = 16, 16, 15
        data.PixelRepresentation = 0
        data.PixelData = (np.arange(20, dtype=np.uint16) + place).tobytes()
        pydicom.dcmwrite(folder / f"IM{place}", data, enforce_file_format=True)
    return folder


def test_folders_of_classes(tmp_path):
    write_png(tmp_path / "sick" / "p10.png", 1)
    write_png(tmp_path / "sick" / "p2.png", 2)
    write_nifti(tmp_path / "well" / "p3.nii.gz", 3)
    (tmp_path / "well" / "notes.txt").write_text("not an image")
    (tmp_path / "well" / ".hidden.png").write_text("not shown")
    (tmp_path / ".cache").mkdir()
    cohort = open_cohort(tmp_path)
    assert [(scan.name, scan.participant, scan.label) for scan in cohort.scans] == [
        ("p2", "p2", "sick"), ("p10", "p10", "sick"), ("p3", "p3", "well"),
    ]  # fmt: skip
    assert cohort.classes == ("sick", "well")
    assert cohort.problems == ()


def test_the_same_file_name_in_two_classes_is_two_participants(tmp_path):
    for number, label in enumerate(["sick", "well"]):
        write_png(tmp_path / label / "001.png", number)
    cohort = open_cohort(tmp_path)
    assert [(s.name, s.participant) for s in cohort.scans] == [
        ("sick_001", "sick_001"), ("well_001", "well_001"),
    ]  # fmt: skip
    assert [(p.reason, p.refused) for p in cohort.problems] == [(Reason.DUPLICATE_NAME, False)]


def test_the_same_folder_name_in_two_classes_is_one_participant(tmp_path):
    for number, label in enumerate(["sick", "well"]):
        write_png(tmp_path / label / "anna" / "001.png", number)
    scans = open_cohort(tmp_path).scans
    assert [(s.name, s.participant) for s in scans] == [
        ("anna_001", "anna"), ("anna_001-2", "anna"),
    ]  # fmt: skip


def test_a_folder_of_a_participant_keeps_its_images_together(tmp_path):
    for number in range(3):
        write_png(tmp_path / "sick" / "anna" / f"{number}.png", number)
    write_png(tmp_path / "well" / "ben.png", 9)
    scans = open_cohort(tmp_path).scans
    assert [(s.name, s.participant, s.group) for s in scans] == [
        *((f"anna_{number}", "anna", "anna") for number in range(3)),
        ("ben", "ben", "ben"),
    ]


def test_a_dicom_series_is_one_scan_however_deep(tmp_path):
    write_series(tmp_path / "sick" / "p1")
    write_series(tmp_path / "well" / "p2" / "study" / "series")
    cohort = open_cohort(tmp_path)
    assert [(s.name, s.participant) for s in cohort.scans] == [
        ("p1", "p1"), ("p2_study_series", "p2"),
    ]  # fmt: skip
    report = check_cohort(cohort, labels=False, workers=1)
    assert {facts.shape for facts in report.facts.values()} == {(5, 4, 3)}


def test_a_mask_beside_its_image_is_no_image(tmp_path):
    write_png(tmp_path / "benign" / "benign (1).png", 1)
    write_png(tmp_path / "benign" / "benign (1)_mask.png", 2)
    write_png(tmp_path / "benign" / "benign (2).png", 3)
    write_png(tmp_path / "benign" / "benign (2)_mask.png", 4)
    write_png(tmp_path / "benign" / "benign (2)_mask_1.png", 5)
    write_png(tmp_path / "malignant" / "face_mask.png", 6)  # there is no face.png
    cohort = open_cohort(tmp_path)
    assert [s.participant for s in cohort.scans] == ["benign (1)", "benign (2)", "face_mask"]
    assert [s.mask and s.mask.name for s in cohort.scans] == ["benign (1)_mask.png", None, None]
    assert [(p.reason, p.refused) for p in cohort.problems] == [(Reason.MASK_MISMATCH, False)]


@pytest.mark.parametrize("name", ["images", "Masks", "train", "labels"])
def test_folders_that_are_no_classes_are_not_taken_for_some(tmp_path, name):
    write_png(tmp_path / name / "1.png")
    write_png(tmp_path / "other" / "1.png")
    with pytest.raises(InputError, match="no classes"):
        open_cohort(tmp_path)


def test_a_class_without_images_is_said(tmp_path):
    write_png(tmp_path / "sick" / "1.png")
    (tmp_path / "well").mkdir()
    (found,) = open_cohort(tmp_path).problems
    assert (found.reason, found.file, found.refused) == (Reason.MISSING, "well", False)


def test_an_empty_folder(tmp_path):
    with pytest.raises(InputError, match="neither"):
        open_cohort(tmp_path)


def test_a_table_without_images_in_a_plain_folder_is_named(tmp_path):
    write_table(tmp_path / "participants.tsv", [{"participant_id": "1", "label": "x"}])
    write_png(tmp_path / "sick" / "1.png")
    with pytest.raises(InputError, match="no column 'image'"):
        open_cohort(tmp_path)


def test_a_file_name_that_is_no_text_is_refused_alone(tmp_path):
    write_png(tmp_path / "sick" / "1.png")
    write_png(tmp_path / "sick" / "2\x1b[31m.png")
    write_png(tmp_path / "x.png").rename(tmp_path / "sick" / os.fsdecode(b"3\xff.png"))
    cohort = open_cohort(tmp_path)
    assert [scan.name for scan in cohort.scans] == ["1"]
    assert [found.reason for found in cohort.problems] == [Reason.BAD_NAME] * 2
    json.dumps([found.message for found in cohort.problems]).encode()


@pytest.fixture
def bids(tmp_path):
    (tmp_path / "dataset_description.json").write_text('{"Name": "x", "BIDSVersion": "1.9.0"}')
    names = [
        "sub-01/anat/sub-01_T1w.nii.gz",
        "sub-01/anat/sub-01_FLAIR.nii.gz",
        "sub-02/ses-a/anat/sub-02_ses-a_T1w.nii.gz",
        "sub-02/ses-b/anat/sub-02_ses-b_acq-hires_run-1_T1w.nii.gz",
        "sub-02/ses-b/anat/sub-02_ses-b_acq-hires_run-2_T1w.nii.gz",
        "derivatives/x/sub-01/anat/sub-01_desc-brain_T1w.nii.gz",
    ]
    for number, name in enumerate(names):
        write_nifti(tmp_path / name, number)
    (tmp_path / "sub-01/anat/sub-01_T1w.json").write_text("{}")
    return tmp_path


def participants(folder, *rows):
    return write_table(folder / "participants.tsv", rows)


def test_a_bids_data_set(bids):
    participants(
        bids,
        {"participant_id": "sub-01", "diagnosis": "ms", "group": "family1", "site": "Pune"},
        {"participant_id": "02", "diagnosis": "hc", "group": "n/a", "site": "n/a"},
    )
    cohort = open_cohort(bids, suffix="T1w")
    assert [(s.name, s.participant, s.label, s.group, s.site) for s in cohort.scans] == [
        ("sub-01", "sub-01", "ms", "family1", "Pune"),
        ("sub-02_ses-a", "sub-02", "hc", "sub-02", None),
        ("sub-02_ses-b_acq-hires_run-1", "sub-02", "hc", "sub-02", None),
        ("sub-02_ses-b_acq-hires_run-2", "sub-02", "hc", "sub-02", None),
    ]
    assert cohort.problems == ()
    assert cohort.columns == ("site",)


def test_a_session_knows_its_own_columns_best(bids):
    participants(bids, {"participant_id": "02", "diagnosis": "hc", "age": "61", "sex": "F"})
    write_table(bids / "sub-02" / "sub-02_sessions.tsv", [{"session_id": "b", "age": "63"}])
    columns = {scan.name: scan.columns for scan in open_cohort(bids, suffix="T1w").scans}
    assert columns["sub-01"] == {}
    assert columns["sub-02_ses-a"] == {"age": "61", "sex": "F"}
    assert columns["sub-02_ses-b_acq-hires_run-1"] == {"age": "63", "sex": "F"}


def test_without_description_folders_of_subjects_tell_bids(bids):
    (bids / "dataset_description.json").unlink()
    assert len(open_cohort(bids, suffix="FLAIR").scans) == 1


def test_the_column_group_is_the_class_where_there_is_no_other(bids):
    participants(
        bids,
        {"participant_id": "sub-01", "group": "patient"},
        {"participant_id": "sub-02", "group": "control"},
    )
    scans = open_cohort(bids, suffix="T1w").scans
    assert {(s.participant, s.label, s.group) for s in scans} == {
        ("sub-01", "patient", "sub-01"),
        ("sub-02", "control", "sub-02"),
    }


def test_a_session_may_have_its_own_label(bids):
    participants(bids, {"participant_id": "sub-02", "label": "well"})
    write_table(
        bids / "sub-02" / "sub-02_sessions.tsv",
        [{"session_id": "ses-b", "label": "sick"}, {"session_id": "ses-c", "label": "x"}],
    )
    labels = {s.name: s.label for s in open_cohort(bids, suffix="T1w").scans}
    assert labels["sub-02_ses-a"] == "well"
    assert labels["sub-02_ses-b_acq-hires_run-1"] == "sick"
    assert labels["sub-01"] is None


def test_a_suffix_has_to_be_chosen_where_there_are_several(bids):
    with pytest.raises(InputError, match=r"choose one of T1w \(4\), FLAIR \(1\)"):
        open_cohort(bids)
    with pytest.raises(InputError, match="no image of the suffix 'T2w'"):
        open_cohort(bids, suffix="T2w")


def test_subjects_without_images_are_listed(bids):
    participants(bids, *({"participant_id": f"sub-0{n}", "label": "x"} for n in (1, 2, 3)))
    (found,) = open_cohort(bids, suffix="T1w").problems
    assert (found.reason, found.refused) == (Reason.MISSING, False)
    assert "sub-03" in found.message


def test_a_subject_described_twice_is_refused(bids):
    participants(
        bids,
        {"participant_id": "sub-01", "label": "x"},
        {"participant_id": "sub-02", "label": "x"},
        {"participant_id": "sub-02", "label": "y"},
    )
    cohort = open_cohort(bids, suffix="T1w")
    assert {scan.participant for scan in cohort.scans} == {"sub-01"}
    assert [(p.scan, p.reason) for p in cohort.problems] == [("sub-02", Reason.DUPLICATE_NAME)]


def test_a_table_with_images_comes_before_bids(bids):
    image = "sub-01/anat/sub-01_FLAIR.nii.gz"
    participants(bids, {"participant_id": "sub-01", "image": image, "label": "x"})
    assert [s.images["image"] for s in open_cohort(bids).scans] == [bids / image]
