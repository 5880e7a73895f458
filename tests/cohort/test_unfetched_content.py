"""Files that stand for others: links to nowhere, DataLad and git-annex content, Git LFS."""

import shutil
from pathlib import Path

import pytest
from broken_files import LFS_POINTER, write_series
from cohort_files import write_nifti, write_png, write_table
from typer.testing import CliRunner

from hrcam.cli import app
from hrcam.cohort.check import check_cohort
from hrcam.cohort.opening import open_cohort
from hrcam.cohort.problems import ImageError, Reason
from hrcam.cohort.reading import is_image, read_image
from hrcam.errors import InputError
from hrcam.mapping import open_input

KEY = "MD5E-s132--d41d8cd98f00b204e9800998ecf8427e"


def annex_link(path: Path, depth: int = 1, suffix: str = "") -> Path:
    """What `git annex` leaves in the place of a file whose content is elsewhere."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(f"{'../' * depth}.git/annex/objects/q3/x8/{KEY}{suffix}/{KEY}{suffix}")
    return path


def annex_pointer(path: Path, suffix: str = "") -> Path:
    """An unlocked file of git-annex whose content is elsewhere."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"/annex/objects/{KEY}{suffix}\n")
    return path


def lfs_pointer(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(LFS_POINTER)
    return path


def plain_link(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to("/mnt/archive/elsewhere")
    return path


def text_link(path: Path) -> Path:
    """A link on a disk that has none: Git writes its target as the content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"../.git/annex/objects/q3/x8/{KEY}/{KEY}")
    return path


STANDS_FOR = [
    (annex_link, Reason.MISSING, "datalad get"),
    (plain_link, Reason.MISSING, "datalad get"),
    (annex_pointer, Reason.LFS_POINTER, "datalad get"),
    (text_link, Reason.LFS_POINTER, "datalad get"),
    (lfs_pointer, Reason.LFS_POINTER, "git lfs pull"),
]
each_way = pytest.mark.parametrize(("make", "reason", "advice"), STANDS_FOR)


@pytest.fixture
def classes(tmp_path):
    """A cohort of two classes, in a folder that has room for a .git beside it."""
    for number in range(6):
        write_nifti(tmp_path / "cohort" / "ab"[number % 2] / f"p{number}.nii.gz", number)
    return tmp_path / "cohort"


def refused(cohort):
    report = check_cohort(cohort, labels=False, workers=1)
    return [(found.file, found.reason, found.advice) for found in report.refused]


@each_way
@pytest.mark.parametrize("name", ["p9.nii.gz", "p9.png", "p9.dcm", "p9.mgz", "p9.img", "p9.bmp"])
def test_an_image_is_named_and_not_passed_over(tmp_path, make, reason, advice, name):
    path = make(tmp_path / name)
    assert is_image(path)
    with pytest.raises(ImageError) as error:
        read_image(path)
    assert error.value.reason == reason
    assert advice in error.value.advice


@each_way
def test_in_the_folder_of_a_class(classes, make, reason, advice):
    make(classes / "a" / "p9.nii.gz")
    ((file, found, said),) = refused(open_cohort(classes))
    assert (file, found) == ("a/p9.nii.gz", reason)
    assert advice in said


def test_the_command_ends_with_an_error_and_names_the_file(classes):
    annex_link(classes / "a" / "p4.nii.gz.lost.nii.gz", 2)
    result = CliRunner().invoke(app, ["check", str(classes), "--workers", "1"])
    assert result.exit_code == 1
    assert "a/p4.nii.gz.lost.nii.gz  missing: git-annex has a link here" in result.output
    assert "datalad get FILE" in result.output


@each_way
def test_in_a_folder_without_classes(tmp_path, make, reason, advice):
    write_nifti(tmp_path / "p1.nii.gz")
    make(tmp_path / "p2.nii.gz")
    assert [row[:2] for row in refused(open_cohort(tmp_path))] == [("p2.nii.gz", reason)]


@each_way
def test_a_single_image_to_be_mapped(tmp_path, make, reason, advice):
    cohort = open_input(make(tmp_path / "p1.nii.gz"))
    assert [row[:2] for row in refused(cohort)] == [("p1.nii.gz", reason)]


@each_way
def test_image_and_mask_of_a_table(tmp_path, make, reason, advice):
    write_nifti(tmp_path / "there.nii.gz")
    make(tmp_path / "image.nii.gz")
    make(tmp_path / "mask.nii.gz")
    rows = [
        {"participant_id": "s1", "image": "image.nii.gz", "mask": "n/a"},
        {"participant_id": "s2", "image": "there.nii.gz", "mask": "mask.nii.gz"},
    ]
    found = refused(open_cohort(write_table(tmp_path / "t.tsv", rows)))
    assert [row[:2] for row in found] == [("image.nii.gz", reason), ("mask.nii.gz", reason)]


@each_way
def test_in_a_bids_data_set(tmp_path, make, reason, advice):
    write_nifti(tmp_path / "sub-01" / "anat" / "sub-01_T1w.nii.gz")
    make(tmp_path / "sub-02" / "anat" / "sub-02_T1w.nii.gz")
    assert [row[1] for row in refused(open_cohort(tmp_path))] == [reason]


@each_way
@pytest.mark.parametrize("name", ["IM0001", "IM0001.dcm"])
def test_one_slice_of_a_series(tmp_path, make, reason, advice, name):
    """The last slice, whose absence leaves no gap."""
    series = tmp_path / "cohort" / "a" / "p1"
    for path in write_series(series):
        path.rename(path.with_name(path.name.replace(".dcm", name[6:])))
    (series / name).unlink()
    make(series / name)
    write_series(tmp_path / "cohort" / "b" / "p2")
    ((file, found, said),) = refused(open_cohort(tmp_path / "cohort"))
    assert (file, found) == ("a/p1", reason)
    assert advice in said


@each_way
def test_a_series_of_which_nothing_was_fetched(tmp_path, make, reason, advice):
    for number in range(3):
        make(tmp_path / "a" / "p1" / f"IM{number:04d}")
    write_series(tmp_path / "b" / "p2")
    ((file, found, _),) = refused(open_cohort(tmp_path))
    assert (file, found) == ("a/p1", reason)


def test_a_link_to_a_folder_that_is_not_there(classes):
    plain_link(classes / "b" / "anna")
    ((file, found, said),) = refused(open_cohort(classes))
    assert (file, found) == ("b/anna", Reason.MISSING)
    assert "correct the link" in said


def test_links_of_files_that_are_no_images_are_nobodys_business(classes):
    for name in ("README", "a/notes.txt", "a/p1.json"):
        plain_link(classes / name)
    assert refused(open_cohort(classes)) == []


def test_links_whose_files_are_there_are_read(tmp_path, classes):
    """git-annex keeps fetched content read-only behind a link."""
    content = tmp_path / ".git" / "annex" / "objects" / KEY / KEY
    content.parent.mkdir(parents=True)
    shutil.move(classes / "a" / "p0.nii.gz", content)
    (classes / "a" / "p0.nii.gz").symlink_to(content)
    cohort = open_cohort(classes)
    assert cohort.problems == ()
    assert len(check_cohort(cohort, workers=1).accepted.scans) == 6


@each_way
@pytest.mark.parametrize("name", ["participants.tsv", "participants.csv"])
def test_the_table_of_a_cohort(classes, make, reason, advice, name):
    make(classes / name)
    with pytest.raises(InputError, match=advice) as error:
        open_cohort(classes)
    assert name in str(error.value)


def test_folders_that_are_empty_may_not_have_been_fetched(classes):
    for number in range(3):
        (classes / "a" / f"p1{number}").mkdir()
    (found,) = open_cohort(classes).problems
    assert (found.reason, found.refused, found.file) == (Reason.MISSING, False, "a/p10")
    assert found.message == "3 folders are empty"


def test_a_link_to_the_folder_that_it_is_in_ends(classes):
    (classes / "a" / "again").symlink_to(classes)
    assert len(open_cohort(classes).scans) == 6


def test_pictures_beside_are_counted_still(tmp_path):
    write_png(tmp_path / "a" / "1.png", 1)
    write_png(tmp_path / "b" / "2.png", 2)
    plain_link(tmp_path / "b" / "3.png")
    report = check_cohort(open_cohort(tmp_path), labels=False, workers=1)
    assert (len(report.accepted.scans), len(report.refused)) == (2, 1)
