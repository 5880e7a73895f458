"""The check of a cohort: every kind of problem is found, named, and costs only what it must."""

import json
import tracemalloc
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from cohort_files import write_nifti, write_png, write_table

from hrcam.cohort.check import check_cohort
from hrcam.cohort.opening import open_cohort
from hrcam.cohort.problems import Reason
from hrcam.cohort.reasons import EXPLANATIONS
from hrcam.cohort.scan import Cohort, Scan


class Folder:
    """A cohort that grows row by row; each image is its own noise unless told otherwise."""

    columns = ("participant_id", "image", "label", "mask", "group", "split", "site")

    def __init__(self, path: Path) -> None:
        self.path, self.rows = path, []

    def add(self, name: str, label: str = "a", image: str | None = None, **cells: str) -> Path:
        """Add a row, and unless the image is given, a volume for it."""
        if image is None:
            image = f"{name}.nii.gz"
            write_nifti(self.path / image, seed=len(self.rows) + 1)
        row = {"participant_id": name, "image": image, "label": label, **cells}
        self.rows.append({column: row.get(column, "n/a") for column in self.columns})
        return self.path / image

    def check(self, **options):
        """Write the table and check it."""
        write_table(self.path / "participants.tsv", self.rows)
        return check_cohort(open_cohort(self.path), **{"workers": 1, **options})


@pytest.fixture
def folder(tmp_path):
    """A cohort of two sound scans of each of two classes."""
    cohort = Folder(tmp_path)
    for label in "ab":
        for number in range(2):
            cohort.add(f"good-{label}{number}", label)
    return cohort


def found(report, *, refused=True):
    return {(p.scan, p.reason) for p in report.problems if p.refused is refused}


def test_a_sound_cohort(folder):
    report = folder.check()
    assert report.problems == report.refused == ()
    assert [scan.name for scan in report.accepted.scans] == list(report.facts)
    facts = report.facts["good-a0"]
    voxels = nib.load(folder.path / "good-a0.nii.gz").get_fdata()
    assert (facts.format, facts.shape, facts.spacing) == ("nifti", (6, 7, 8), (1.0, 1.0, 1.0))
    assert facts.orientation == "RAS"
    np.testing.assert_allclose(
        facts.percentiles, [np.percentile(voxels, (0.5, 25, 50, 75, 99.5))], rtol=1e-6
    )
    assert report.voxel_hashes["good-a0"] == facts.voxel_hash
    assert len(set(report.voxel_hashes.values())) == 4


def damage(path: Path, kind: str) -> None:
    """Spoil a sound volume."""
    image = nib.load(path)
    voxels, affine = image.get_fdata(dtype=np.float32), image.affine
    if kind == "truncated":
        path.write_bytes(path.read_bytes()[:-200])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "lfs":
        path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    elif kind == "png":
        write_png(path.with_suffix(".png")).rename(path)
    elif kind == "missing":
        path.unlink()
    elif kind == "time":
        nib.save(nib.Nifti1Image(np.stack([voxels, voxels + 1], -1), affine), path)
    elif kind == "nan":
        voxels[0, 0, 0] = np.nan
        nib.save(nib.Nifti1Image(voxels, affine), path)
    elif kind == "constant":
        nib.save(nib.Nifti1Image(np.ones_like(voxels), affine), path)
    elif kind == "singular":
        image = nib.Nifti1Image(voxels, affine)
        image.set_qform(None, code=0)
        image.set_sform(np.diag([1.0, 1, 0, 1]), code=1)
        nib.save(image, path)
    elif kind == "forms":
        image = nib.Nifti1Image(voxels, affine)
        image.set_qform(np.diag([-1.0, 1, 1, 1]), code=1)
        image.set_sform(affine, code=1)
        nib.save(image, path)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("truncated", Reason.TRUNCATED),
        ("empty", Reason.EMPTY),
        ("lfs", Reason.LFS_POINTER),
        ("png", Reason.WRONG_FORMAT),
        ("missing", Reason.MISSING),
        ("time", Reason.TIME_AXIS),
        ("nan", Reason.NOT_FINITE),
        ("constant", Reason.CONSTANT),
        ("singular", Reason.SINGULAR_AFFINE),
        ("forms", Reason.FORMS_DISAGREE),
    ],
)
def test_a_bad_image_is_refused_and_the_others_stay(folder, kind, reason):
    damage(folder.add("bad"), kind)
    report = folder.check()
    assert found(report) == {("bad", reason)}
    assert report.problems[0].file == "bad.nii.gz"
    assert report.problems[0].message
    assert report.problems[0].advice
    assert {s.name for s in report.accepted.scans} == {"good-a0", "good-a1", "good-b0", "good-b1"}
    assert report.fingerprint.scans == 4


def test_rows_refused_by_the_table_are_in_the_report(folder):
    folder.add("../evil", image="good-a0.nii.gz")
    assert found(folder.check()) == {("", Reason.BAD_NAME)}


def test_a_sheared_image_is_accepted_with_a_warning(folder):
    path = folder.add("sheared")
    affine = np.eye(4)
    affine[0, 1] = 0.3
    image = nib.Nifti1Image(nib.load(path).get_fdata(dtype=np.float32), affine)
    image.set_qform(None, code=0)
    nib.save(image, path)
    report = folder.check()
    assert ("sheared", Reason.SHEARED_AFFINE) in found(report, refused=False)
    assert report.refused == ()
    assert "sheared" in report.facts


def test_a_mask_of_another_grid_is_refused(folder):
    write_nifti(folder.path / "mask.nii.gz", voxels=np.ones((6, 7, 9)))
    folder.add("bad", mask="mask.nii.gz")
    report = folder.check()
    assert found(report) == {("bad", Reason.MASK_MISMATCH)}
    assert report.problems[0].file == "mask.nii.gz"


def test_a_mask_that_fits(folder):
    write_nifti(folder.path / "mask.nii.gz", voxels=np.eye(6, 7)[..., None] * np.ones(8))
    folder.add("good", mask="mask.nii.gz")
    report = folder.check()
    assert report.refused == ()
    assert report.fingerprint.masks == 1


def test_slices_among_volumes_are_refused(folder):
    write_png(folder.path / "flat.png")
    folder.add("flat", image="flat.png")
    report = folder.check()
    assert found(report) == {("flat", Reason.MIXED_DIMENSIONS)}
    assert "2D, while most" in report.problems[0].message


def test_shapes_and_voxel_sizes_may_differ_and_are_reported_once(folder):
    for number in range(2):
        name = f"other{number}.nii"
        write_nifti(folder.path / name, 50 + number, shape=(5, 9, 8), spacing=2)
        folder.add(f"other{number}", image=name)
    report = folder.check()
    assert found(report, refused=False) == {("", Reason.MIXED_SHAPES)}
    message = report.problems[0].message
    assert "2 different shapes from 5 × 9 × 8 to 6 × 7 × 8" in message
    assert "2 different voxel sizes from 1 × 1 × 1 to 2 × 2 × 2 mm" in message
    assert len(report.accepted.scans) == 6
    assert report.fingerprint.shape.minimum == (5, 7, 8)
    assert report.fingerprint.shape.maximum == (6, 9, 8)
    assert report.fingerprint.spacing.median == (1, 1, 1)


def test_copies_with_one_label_are_kept_together(folder):
    folder.add("copy", "a", image="good-a0.nii.gz")
    report = folder.check()
    assert found(report, refused=False) == {("copy", Reason.DUPLICATE_IMAGE)}
    assert "good-a0, of another participant" in report.problems[0].message
    assert report.fingerprint.duplicates == (("copy", "good-a0"),)


def test_copies_are_found_in_any_format_and_storage_order(folder):
    source = nib.load(folder.path / "good-a0.nii.gz")
    turned = source.as_reoriented(nib.orientations.axcodes2ornt("LIP"))
    nib.save(turned, folder.path / "copy.nii")
    folder.add("copy", "a", image="copy.nii")
    report = folder.check()
    assert report.facts["copy"].orientation == "LIP"
    assert report.fingerprint.duplicates == (("copy", "good-a0"),)


def test_copies_with_different_labels_are_refused_both(folder):
    folder.add("copy", "b", image="good-a0.nii.gz")
    folder.add("good-a3", "a")
    assert found(folder.check()) == {
        ("copy", Reason.DUPLICATE_IMAGE),
        ("good-a0", Reason.DUPLICATE_IMAGE),
    }
    assert folder.check(labels=False).refused == ()


def test_missing_labels_are_listed(folder):
    folder.add("unknown", "n/a")
    report = folder.check()
    assert found(report) == {("unknown", Reason.NO_LABEL)}
    assert "unknown" not in report.facts
    assert folder.check(labels=False).problems == ()


def test_a_cohort_without_any_label_is_one_problem(folder):
    for row in folder.rows:
        row["label"] = "n/a"
    report = folder.check()
    (warning,) = report.problems
    assert (warning.scan, warning.reason, warning.refused) == ("", Reason.NO_LABEL, False)
    assert len(report.accepted.scans) == 4
    assert len(folder.check(labels=False).accepted.scans) == 4


def test_a_class_of_one_participant_is_refused(folder):
    folder.add("rare", "c")
    rows = [dict(folder.rows[-1], image=image) for image in ("rare2.nii.gz",)]
    write_nifti(folder.path / "rare2.nii.gz", seed=99)
    folder.rows += rows
    assert found(folder.check()) == {
        ("rare", Reason.SMALL_CLASS),
        ("rare-2", Reason.SMALL_CLASS),
    }


def test_one_class_alone_cannot_be_learnt(tmp_path):
    cohort = Folder(tmp_path)
    for number in range(3):
        cohort.add(f"s{number}", "a")
    report = cohort.check()
    assert found(report) == {("", Reason.SMALL_CLASS)}
    assert "'a': 3" in report.problems[0].message


def test_a_group_on_both_sides_of_the_split_is_refused(folder):
    for row in folder.rows:
        row["split"] = "train"
    folder.add("one", "a", split="train", group="family")
    folder.add("two", "a", split="test", group="family")
    folder.add("three", "b", split="test")
    report = folder.check()
    assert found(report) == {("one", Reason.SPLIT_LEAK), ("two", Reason.SPLIT_LEAK)}
    assert "two in test" in next(p.message for p in report.problems if p.scan == "one")


def test_a_copy_on_both_sides_of_the_split_is_refused(folder):
    for row in folder.rows:
        row["split"] = "train"
    folder.add("copy", "a", image="good-a0.nii.gz", split="test")
    assert ("copy", Reason.SPLIT_LEAK) in found(folder.check())
    assert ("good-a0", Reason.SPLIT_LEAK) in found(folder.check())
    assert folder.check(labels=False).refused == ()


def test_values_of_the_split_that_mean_nothing(folder):
    for row in folder.rows:
        row["split"] = "train"
    folder.add("odd", split="holdout")
    folder.add("without")
    assert found(folder.check()) == {("odd", Reason.BAD_SPLIT), ("without", Reason.BAD_SPLIT)}


def test_a_class_from_one_site_only_is_a_confounder(folder):
    for row in folder.rows:
        row["site"] = "Pune" if row["label"] == "a" else "Delhi"
    folder.add("a-in-delhi", "a", site="Delhi")
    report = folder.check()
    assert found(report, refused=False) == {("", Reason.CONFOUNDED_SITE)}
    assert "'b' comes from the site 'Delhi' only" in report.problems[0].message
    assert report.fingerprint.classes_by_site == {"Pune": {"a": 2}, "Delhi": {"b": 2, "a": 1}}


def test_one_site_for_all_is_no_confounder(folder):
    for row in folder.rows:
        row["site"] = "Pune"
    assert folder.check().problems == ()


def test_problems_are_sorted_with_refusals_first(folder):
    for name in ("z", "m", "x"):
        folder.add(name, image=f"{name}.nii")
    folder.add("copy", "a", image="good-a0.nii.gz")
    problems = folder.check().problems
    assert [(p.scan, p.refused) for p in problems] == [
        ("m", True), ("x", True), ("z", True), ("copy", False),
    ]  # fmt: skip


def test_the_report_as_json(folder):
    folder.add("bad", image="nowhere.nii")
    report = folder.check()
    content = json.loads(json.dumps(report.to_json()))
    assert content["problems"][0]["reason"] == "missing"
    assert content["fingerprint"]["classes"] == {"a": 2, "b": 2}
    assert list(content["fingerprint"]["intensities"][0]) == ["0.5%", "25%", "50%", "75%", "99.5%"]
    assert content["scans"][0]["shape"] == [6, 7, 8]


def test_channels_of_one_scan_have_one_grid(tmp_path):
    rows = []
    for number in range(4):
        row = {"participant_id": f"s{number}", "label": "ab"[number % 2]}
        for channel in ("t1", "t2"):
            size = 9 if (number, channel) == (3, "t2") else 8
            name = f"s{number}_{channel}.nii"
            write_nifti(tmp_path / name, ord(channel[1]) + number, shape=(6, 7, size))
            row[f"image_{channel}"] = name
        rows.append(row)
    write_table(tmp_path / "t.tsv", rows)
    report = check_cohort(open_cohort(tmp_path / "t.tsv"), workers=1, labels=False)
    assert found(report) == {("s3", Reason.CHANNEL_MISMATCH)}
    assert report.fingerprint.channels == ("t1", "t2")
    assert len(report.facts["s0"].percentiles) == 2


def test_a_defect_of_the_reader_costs_one_scan(folder, monkeypatch):
    from hrcam.cohort.check import examination

    def read_scan(scan: Scan):
        if scan.name == "good-a1":
            raise ZeroDivisionError("a bug")
        return original(scan)

    original = examination.read_scan
    folder.add("good-a2")
    monkeypatch.setattr(examination, "read_scan", read_scan)
    report = folder.check()
    assert found(report) == {("good-a1", Reason.UNREADABLE)}
    assert "ZeroDivisionError: a bug" in report.problems[0].message


def test_no_voxels_are_kept(tmp_path):
    for number in range(12):
        write_nifti(tmp_path / f"{number}.nii", number, shape=(64, 64, 32))

    def peak(count):
        scans = tuple(
            Scan(str(n), str(n), {"image": tmp_path / f"{n}.nii"}, group=str(n))
            for n in range(count)
        )
        tracemalloc.start()
        check_cohort(Cohort(tmp_path, ("image",), scans), labels=False, workers=1)
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    peak(1)
    assert peak(12) < 1.3 * peak(2)


def test_a_cohort_without_scans(tmp_path):
    report = check_cohort(Cohort(tmp_path, ("image",)))
    assert (report.problems, report.fingerprint.scans) == ((), 0)
    assert report.fingerprint.shape is None


def test_every_reason_is_explained():
    assert set(EXPLANATIONS) == set(Reason)
    assert all(text.meaning and text.advice for text in EXPLANATIONS.values())


def test_scans_refused_by_the_cohort_do_not_reach_the_facts(folder):
    folder.add("copy", "b", image="good-a0.nii.gz")
    report = folder.check()
    assert set(report.facts) == {scan.name for scan in report.accepted.scans}
    assert report.accepted == replace(report.accepted, problems=())
