"""Folders of images without a table: whose each image is, and which folders are no classes."""

from pathlib import Path

import numpy as np
import pytest
from broken_files import dicom_slice, save, write_series
from cohort_files import write_nifti, write_png, write_table
from hypothesis import given
from hypothesis import strategies as st

from hrcam.cohort.check import check_cohort
from hrcam.cohort.naming import bids_scan
from hrcam.cohort.opening import open_cohort
from hrcam.cohort.problems import Reason
from hrcam.cohort.reading import count_single_images, name_without_suffix
from hrcam.cohort.splits import make_folds
from hrcam.errors import InputError


def write_projection(path: Path, seed: int, series: str = "1.2.3.4") -> Path:
    """An X-ray: a DICOM image that says nothing of where it is in the patient."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 1000, (8, 9)).astype(np.uint16)
    dataset = dicom_slice(pixels, (0, 0, 0), SeriesInstanceUID=series)
    del dataset.ImagePositionPatient, dataset.ImageOrientationPatient
    return save(dataset, path)


def participants(folder):
    return [(scan.name, scan.participant, scan.label) for scan in open_cohort(folder).scans]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sub-01_ses-1_T1w", ("sub-01_ses-1", "sub-01")),
        ("sub-01_ses-1", ("sub-01_ses-1", "sub-01")),
        ("sub-01_T1w", ("sub-01", "sub-01")),
        ("sub-01", ("sub-01", "sub-01")),
        ("sub-_T1w", None),
        ("sub-01 (2)", None),
        ("xsub-01_T1w", None),
        ("01", None),
    ],
)
def test_names_in_the_manner_of_bids(name, expected):
    assert bids_scan(name) == expected


@given(st.from_regex(r"sub-[a-zA-Z0-9]+(_[a-z]+-[a-z0-9]+){0,3}(_[a-z0-9]+)?", fullmatch=True))
def test_a_bids_name_starts_with_the_scan_and_the_scan_with_the_participant(name):
    scan, participant = bids_scan(name)
    assert name.startswith(scan)
    assert scan.startswith(participant)
    assert bids_scan(scan) == (scan, participant)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.nii.gz", "a"), ("a.b.PNG", "a.b"), ("1.2.840.7", "1.2.840.7"), ("a.nii", "a")],
)
def test_only_the_suffix_of_a_format_is_no_part_of_the_name(tmp_path, name, expected):
    (tmp_path / name).touch()
    assert name_without_suffix(tmp_path / name) == expected


def test_a_folder_is_called_by_its_whole_name(tmp_path):
    (tmp_path / "p1.nii").mkdir()
    assert name_without_suffix(tmp_path / "p1.nii") == "p1.nii"


def test_sessions_of_one_bids_participant_are_one_participant(tmp_path):
    for seed, (label, number) in enumerate((x, n) for x in ("AD", "HC") for n in range(4)):
        for session in (1, 2):
            name = f"sub-{label}{number}_ses-{session}_T1w.nii.gz"
            write_nifti(tmp_path / label / name, 10 * seed + session)
    cohort = open_cohort(tmp_path)
    assert cohort.problems == ()
    assert cohort.scans[1].name == "sub-AD0_ses-2"
    report = check_cohort(cohort, workers=1)
    assert report.problems == ()
    assert report.fingerprint.participants == 8
    for fold in make_folds(cohort.scans, report.voxel_hashes, folds=2):
        sides = [{name.split("_")[0] for name in side} for side in (fold.train, fold.test)]
        assert not sides[0] & sides[1]


def test_bids_names_count_in_deeper_folders_and_for_folders(tmp_path):
    write_png(tmp_path / "AD" / "scanner1" / "sub-01_ses-1.png", 1)
    write_png(tmp_path / "AD" / "scanner2" / "sub-01_ses-2.png", 2)
    write_png(tmp_path / "HC" / "sub-02_ses-1" / "t1.png", 3)
    assert participants(tmp_path) == [
        ("sub-01_ses-1", "sub-01", "AD"),
        ("sub-01_ses-2", "sub-01", "AD"),
        ("sub-02_ses-1_t1", "sub-02", "HC"),
    ]


def test_a_bids_participant_in_two_classes_is_one_person_and_is_said(tmp_path):
    for number, label in enumerate(["AD", "HC"]):
        write_png(tmp_path / label / f"sub-01_ses-{number}.png", number)
    assert [row[1] for row in participants(tmp_path)] == ["sub-01", "sub-01"]
    (found,) = open_cohort(tmp_path).problems
    assert (found.reason, found.refused) == (Reason.DUPLICATE_NAME, False)
    assert "'sub-01': each is taken for one person" in found.message


@pytest.mark.parametrize(
    ("names", "warned"),
    [
        (("p01_visit1", "p01_visit2"), True),
        (("case3-slice-14", "case3-slice-15"), True),
        (("7_ses1_T1", "7_ses2_T1"), True),
        (("p01_visit1", "p02_visit1"), False),
        (("scan_1", "scan_2"), False),
        (("IXI002-Guys-0828-T1", "IXI012-HH-1211-T1"), False),
    ],
)
def test_names_that_look_like_visits_of_one_person_are_warned_of(tmp_path, names, warned):
    for number, name in enumerate(names):
        write_png(tmp_path / "sick" / f"{name}.png", number)
    write_png(tmp_path / "well" / "someone.png", 9)
    problems = open_cohort(tmp_path).problems
    assert [(p.reason, p.refused) for p in problems] == [(Reason.SPLIT_LEAK, False)] * warned
    assert all(repr(names[0]) in found.message for found in problems)


def test_images_beside_the_folders_of_classes_are_left_out_and_said(tmp_path):
    write_png(tmp_path / "sick" / "1.png", 1)
    write_png(tmp_path / "well" / "2.png", 2)
    write_png(tmp_path / "overview.png", 3)
    assert [row[0] for row in participants(tmp_path)] == ["1", "2"]
    (found,) = open_cohort(tmp_path).problems
    assert (found.file, found.refused) == ("overview.png", False)
    assert "1 images are beside" in found.message


@pytest.mark.parametrize("name", ["labels.csv", "ExperimentResult.TSV"])
def test_a_table_of_another_name_beside_folders_is_named(tmp_path, name):
    for number in range(2):
        write_png(tmp_path / f"site{number}" / "1.png", number)
    write_table(tmp_path / name, [{"participant_id": "1", "image": "site0/1.png"}], ",")
    with pytest.raises(
        InputError, match=r"not called participants\.tsv: give the table itself"
    ) as e:
        open_cohort(tmp_path)
    assert str(tmp_path / name) in str(e.value)


def test_a_text_beside_folders_of_classes_is_no_table(tmp_path):
    write_png(tmp_path / "sick" / "1.png", 1)
    write_png(tmp_path / "well" / "2.png", 2)
    (tmp_path / "LICENCE.txt").write_text("free")
    assert open_cohort(tmp_path).classes == ("sick", "well")


def test_a_folder_of_images_is_a_cohort_without_labels(tmp_path):
    for number in range(3):
        write_png(tmp_path / f"sub-0{number}_ses-1_x.png", number)
    write_png(tmp_path / "sub-00_ses-1_x_mask.png", 9)
    (tmp_path / "notes").mkdir()
    cohort = open_cohort(tmp_path)
    assert [(s.name, s.participant, s.label) for s in cohort.scans] == [
        (f"sub-0{number}_ses-1", f"sub-0{number}", None) for number in range(3)
    ]
    assert [s.mask and s.mask.name for s in cohort.scans] == [
        "sub-00_ses-1_x_mask.png", None, None,
    ]  # fmt: skip
    assert cohort.problems == ()


def test_the_check_of_a_folder_of_images_says_once_that_labels_are_missing(tmp_path):
    for number in range(3):
        write_png(tmp_path / f"{number}.png", number)
    report = check_cohort(open_cohort(tmp_path), workers=1)
    assert [(p.scan, p.reason, p.refused) for p in report.problems] == [
        ("", Reason.NO_LABEL, False)
    ]
    assert len(report.accepted.scans) == 3


@pytest.mark.parametrize("given_path", ["p01", "p01/study 2", "p01/study 2/se 3"])
def test_the_only_series_below_a_folder_is_one_scan_of_that_name(tmp_path, given_path):
    series = tmp_path / "p01" / "study 2" / "se 3"
    write_series(series)
    cohort = open_cohort(tmp_path / given_path)
    (scan,) = cohort.scans
    assert (scan.participant, scan.label, scan.images) == (
        Path(given_path).name, None, {"image": series},
    )  # fmt: skip
    report = check_cohort(cohort, labels=False, workers=1)
    assert report.facts[scan.name].shape == (9, 8, 6)
    assert cohort.shown(series) == series.name


def test_series_side_by_side_are_scans_and_no_classes(tmp_path):
    for name in ("p1", "p2"):
        write_series(tmp_path / name)
    assert participants(tmp_path) == [("p1", "p1", None), ("p2", "p2", None)]


def test_slices_of_a_series_in_the_folder_of_a_class_are_one_scan(tmp_path):
    write_series(tmp_path / "sick")
    write_series(tmp_path / "well" / "p1")
    assert participants(tmp_path) == [("sick", "sick", "sick"), ("p1", "p1", "well")]


def test_two_series_in_the_folder_of_a_class_are_refused_as_one(tmp_path):
    for number, pixels in enumerate(np.random.default_rng(0).integers(0, 99, (4, 8, 9))):
        (tmp_path / "sick").mkdir(exist_ok=True)
        uid = f"1.2.{number // 2}"
        dataset = dicom_slice(pixels.astype(np.uint16), (0, 0, number), SeriesInstanceUID=uid)
        save(dataset, tmp_path / "sick" / f"IM{number}")
    write_series(tmp_path / "well" / "p1")
    report = check_cohort(open_cohort(tmp_path), labels=False, workers=1)
    assert [(p.scan, p.reason) for p in report.refused] == [("sick", Reason.MIXED_SERIES)]


def test_projections_are_a_scan_each_also_of_one_series(tmp_path):
    for number in range(2):
        write_projection(tmp_path / "sick" / f"1.2.{number}", number)
        write_projection(tmp_path / "well" / "anna" / f"view{number}.dcm", 5 + number)
    (tmp_path / "sick" / "DICOMDIR").write_bytes(bytes(128) + b"DICM")
    assert participants(tmp_path) == [
        ("1.2.0", "1.2.0", "sick"),
        ("1.2.1", "1.2.1", "sick"),
        ("anna_view0", "anna", "well"),
        ("anna_view1", "anna", "well"),
    ]
    assert len(check_cohort(open_cohort(tmp_path), labels=False, workers=1).facts) == 4
    assert [s.participant for s in open_cohort(tmp_path / "sick").scans] == ["1.2.0", "1.2.1"]


def test_images_that_are_no_slices_are_counted(tmp_path):
    assert count_single_images(tmp_path) == 0
    for number in range(3):
        write_projection(tmp_path / f"{number}.dcm", number)
    (tmp_path / "damaged.dcm").write_bytes(bytes(128) + b"DICM" + b"\xff" * 40)
    write_png(tmp_path / "picture.png")
    assert count_single_images(tmp_path) == 3
    write_series(tmp_path, slices=2)
    assert count_single_images(tmp_path) == 0
