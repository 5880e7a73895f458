"""Maps of a cohort: what is written, for whom, and where."""

import csv
import json
import os

import nibabel
import numpy as np
import pytest
import torch
from broken_files import BROKEN, cut, write_series
from PIL import Image as Pillow
from small_runs import (
    Brightness,
    SmallRun,
    files_of,
    map_of,
    oblique,
    preparation,
    write_pictures,
    write_volume,
)

from hrcam.cohort.problems import Problem, Reason
from hrcam.cohort.reading import read_scan
from hrcam.cohort.scan import Scan
from hrcam.errors import InputError
from hrcam.mapping import Form, map_scans


def record_of(out, name):
    (path,) = out.glob(f"*/anat/{name}_label-*_statmap.json")
    return json.loads(path.read_bytes()), path.parent


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def test_maps_of_pictures_are_what_the_network_says_brought_to_the_picture(tmp_path, picture_run):
    scans = write_pictures(tmp_path / "images", 3)
    report = map_scans(picture_run, scans, tmp_path / "maps")
    assert (report.done, report.skipped, report.failed) == (3, 0, ())
    exact_folder = tmp_path / "exact"
    map_scans(picture_run, scans, exact_folder, form=Form(data_type="float32"))
    explainer = picture_run.explainer(1)
    for scan in scans:
        record, folder = record_of(tmp_path / "maps", scan.name)
        prepared = picture_run.preparation.apply(read_scan(scan))
        expected = explainer.explain(torch.from_numpy(prepared.voxels)[None])
        for kind in ("pattern", "evidence"):
            values = prepared.to_native(getattr(expected, kind)[0].numpy())
            found = map_of(folder, record, kind)
            assert (found.shape, found.dtype) == ((20, 28), np.float32)
            np.testing.assert_allclose(found, values, atol=1.001e-3 * np.abs(values).max())
            exact = np.load(next(exact_folder.glob(f"{scan.name}/anat/*{kind}*.npy")))
            assert exact.dtype == np.float32
            np.testing.assert_allclose(exact, values, atol=1e-6)
        assert Pillow.open(folder / record["Files"]["overlay"]).height == 20 + 20  # with the scale
        chosen = int(expected.classes[0])
        assert record["Class"] == record["PredictedClass"] == picture_run.classes[chosen]
        assert record["ClassIndex"] == chosen
        assert record["Label"] == scan.label
        assert record["Participant"] == scan.participant
        assert record["SourceFiles"] == [str(scan.images["image"])]
        assert record["Sources"] == []  # of no BIDS data set
        assert sum(record["Probabilities"].values()) == pytest.approx(1)
        total = sum(record["LevelContributions"].values()) + record["Bias"]
        assert record["Logit"] == pytest.approx(total, abs=1e-4)
        assert record["Folds"] == [1]
        assert record["SeenInTraining"] is False
        assert set(record["Maps"]["evidence"]) == {
            "Description", "Units", "Polarity", "DataType", "Scaling",
        }  # fmt: skip


@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, 1, -1)])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_a_bright_spot_is_found_at_its_own_place_in_an_oblique_volume(tmp_path, signs, order):
    """Through the whole job, with a network whose only feature is the image."""
    prepare = preparation((32, 24, 40), (0.9, 1.0, 1.1))
    run = SmallRun(prepare, network=Brightness)
    distance = np.linalg.norm(np.indices((14, 12, 10)).T - (9, 4, 7), axis=-1).T
    voxels = np.random.default_rng(0).normal(0, 0.02, (14, 12, 10)) + 5 * np.exp(-(distance**2) / 3)
    affine = oblique(signs, order=order)
    scan = Scan("sub-01", "p1", {"image": write_volume(tmp_path / "a.nii.gz", voxels, affine)})
    map_scans(run, [scan], tmp_path / "maps", classes="patient")
    record, folder = record_of(tmp_path / "maps", "sub-01")
    source = nibabel.load(scan.images["image"])
    for kind in ("pattern", "evidence"):
        found = nibabel.load(folder / record["Files"][kind])
        assert found.affine.tobytes() == source.affine.tobytes()
        assert found.shape == source.shape
        values = found.get_fdata()
        centre = np.argwhere(values > values.max() / 2).mean(0)
        np.testing.assert_allclose(centre, (9, 4, 7), atol=0.3)
    assert "overlay" not in record["Files"]
    assert record["Shape"] == [14, 12, 10]


def test_dicom_series_and_slices_are_mapped_as_nifti(tmp_path):
    write_series(tmp_path / "series")
    run = SmallRun(preparation((16, 16, 16), (1.0, 1.0, 1.5)))
    map_scans(run, [Scan("sub-01", "p", {"image": tmp_path / "series"})], tmp_path / "maps")
    record, folder = record_of(tmp_path / "maps", "sub-01")
    assert nibabel.load(folder / record["Files"]["pattern"]).shape == (9, 8, 6)
    plane = np.random.default_rng(0).normal(size=(20, 1, 24))
    source = write_volume(tmp_path / "slice.nii.gz", plane, oblique())
    flat = SmallRun(preparation((16, 16), (1.5, 1.5)))
    map_scans(flat, [Scan("sub-02", "q", {"image": source})], tmp_path / "slices")
    record, folder = record_of(tmp_path / "slices", "sub-02")
    assert nibabel.load(folder / record["Files"]["pattern"]).shape == (20, 1, 24)


def test_the_tables_list_every_scan(tmp_path, picture_run):
    scans = write_pictures(tmp_path / "images", 3)
    map_scans(picture_run, scans, tmp_path / "maps")
    table = rows(tmp_path / "maps" / "maps.tsv")
    assert [row["scan"] for row in table] == ["sub-01", "sub-02", "sub-03"]
    for row in table:
        record = json.loads((tmp_path / "maps" / row["json"]).read_bytes())
        assert row["predicted"] == record["PredictedClass"]
        probability = record["Probabilities"]["patient"]
        assert float(row["probability_patient"]) == pytest.approx(probability, rel=1e-5)
        assert row["seen_in_training"] == "False"
    assert rows(tmp_path / "maps" / "failures.tsv") == []
    description = json.loads((tmp_path / "maps" / "dataset_description.json").read_bytes())
    assert description["DatasetType"] == "derivative"
    assert description["GeneratedBy"][0]["Name"] == "hrcam"


def test_a_scan_is_mapped_by_the_fold_that_did_not_see_it_and_a_new_one_by_all(tmp_path):
    run = SmallRun(preparation((24, 32)), folds=3, seen={"p1": (2,)}, bootstrap=2)
    known, new = write_pictures(tmp_path / "images", 2)
    map_scans(run, [known, new], tmp_path / "maps")
    assert record_of(tmp_path / "maps", known.name)[0]["Folds"] == [2]
    record, folder = record_of(tmp_path / "maps", new.name)
    assert record["Folds"] == [1, 2, 3]
    assert map_of(folder, record, "std").min() >= 0
    assert sorted(run.loaded) == [1, 2, 3]  # each network is loaded once


def test_a_class_can_be_asked_for_and_is_added_to_the_others(tmp_path, picture_run):
    (scan,) = write_pictures(tmp_path / "images", 1)
    for name in picture_run.classes:
        map_scans(picture_run, [scan], tmp_path / "maps", classes=name)
    table = rows(tmp_path / "maps" / "maps.tsv")
    assert [row["class"] for row in table] == ["control", "patient"]
    maps = [
        map_of(path.parent, json.loads(path.read_bytes()), "evidence")
        for name in picture_run.classes
        for path in (tmp_path / "maps").glob(f"*/anat/*label-{name}_statmap.json")
    ]
    np.testing.assert_allclose(maps[0], -maps[1], atol=1e-5)  # two classes are opposite
    assert map_scans(picture_run, [scan], tmp_path / "maps").skipped == 1
    with pytest.raises(InputError, match="choose one of control, patient"):
        map_scans(picture_run, [scan], tmp_path / "maps", classes="other")


def test_bad_scans_are_listed_and_stop_no_other(tmp_path, picture_run):
    scans = write_pictures(tmp_path / "images", 4)
    cut(scans[1].images["image"])
    scans[2].images["image"].unlink()
    row = Problem("", "participants.tsv", Reason.BAD_ROW, "line 7: more cells", "mend it")
    warning = Problem("", "", Reason.MIXED_SHAPES, "two shapes", "nothing", refused=False)
    report = map_scans(picture_run, scans, tmp_path / "maps", refused=[row, warning])
    assert report.done == 2
    assert [problem.reason for problem in report.failed] == ["bad-row", "truncated", "missing"]
    listed = rows(tmp_path / "maps" / "failures.tsv")
    assert {(one["scan"], one["reason"]) for one in listed} == {
        ("n/a", "bad-row"), ("sub-02", "truncated"), ("sub-03", "missing")
    }  # fmt: skip
    assert all(one["message"] and one["advice"] for one in listed)
    # Mended, the scan is mapped, and leaves the list.
    for name, mended in zip("23", write_pictures(tmp_path / "again", 2), strict=True):
        mended.images["image"].rename(tmp_path / "images" / f"{name}.png")
    again = map_scans(picture_run, scans, tmp_path / "maps")
    assert (again.done, again.failed) == (2, ())
    assert rows(tmp_path / "maps" / "failures.tsv") == []


def test_every_kind_of_broken_file_is_listed_among_good_ones(tmp_path, picture_run):
    good = write_pictures(tmp_path / "images", 2)
    broken, reasons = [], {}
    for number, (make, reason) in enumerate(BROKEN.values()):
        folder = tmp_path / f"broken-{number}"
        folder.mkdir()
        name = f"sub-broken{number}"
        broken.append(Scan(name, name, {"image": make(folder)}))
        reasons[name] = reason
    scans = [good[0], *broken, good[1]]
    report = map_scans(picture_run, scans, tmp_path / "maps")
    assert report.done == 2
    assert {problem.scan: problem.reason for problem in report.failed} == reasons
    listed = rows(tmp_path / "maps" / "failures.tsv")
    assert {one["scan"]: one["reason"] for one in listed} == reasons
    folders = {path.name for path in (tmp_path / "maps").glob("sub-*")}
    assert folders == {scan.name for scan in good}
    assert not list((tmp_path / "maps").rglob("*.partial"))


def test_an_image_that_the_network_cannot_take_is_a_failure_not_a_crash(tmp_path, picture_run):
    (good,) = write_pictures(tmp_path / "images", 1)
    volume = write_volume(
        tmp_path / "v.nii", np.random.default_rng(0).normal(size=(8, 8, 8)), np.eye(4)
    )
    report = map_scans(
        picture_run, [Scan("sub-09", "p9", {"image": volume}), good], tmp_path / "maps"
    )
    assert report.done == 1
    assert [problem.reason for problem in report.failed] == ["mixed-dimensions"]


def test_an_unexpected_error_is_a_failure_of_that_scan(tmp_path, picture_run, monkeypatch):
    scans = write_pictures(tmp_path / "images", 2)
    real = read_scan

    def fails(scan):
        if scan.name == "sub-01":
            raise RuntimeError("boom")
        return real(scan)

    monkeypatch.setattr("hrcam.preparation.prepared_scan.read_scan", fails)
    report = map_scans(picture_run, scans, tmp_path / "maps")
    assert report.done == 1
    assert "RuntimeError: boom" in report.failed[0].message


def test_channels_are_taken_by_name_in_the_network_s_order(tmp_path):
    generator = np.random.default_rng(0)
    paths = {
        name: write_volume(tmp_path / f"{name}.nii", generator.normal(size=(10, 10, 10)), np.eye(4))
        for name in ("flair", "t1", "other")
    }
    run = SmallRun(preparation((12, 12, 12), (1.0,) * 3, ("t1", "flair")))
    map_scans(run, [Scan("sub-01", "p", paths)], tmp_path / "maps")
    record, _ = record_of(tmp_path / "maps", "sub-01")
    assert record["SourceFiles"] == [str(paths["t1"]), str(paths["flair"])]
    with pytest.raises(InputError, match="has no flair"):
        map_scans(run, [Scan("sub-01", "p", {"t1": paths["t1"]})], tmp_path / "maps")


def test_shards_together_give_what_one_job_gives(tmp_path, picture_run):
    scans = write_pictures(tmp_path / "images", 7)
    map_scans(picture_run, scans, tmp_path / "whole")
    done = [
        map_scans(picture_run, scans, tmp_path / "parts", shard=(index, 3)).done
        for index in (3, 1, 2)
    ]
    assert done == [2, 3, 2]
    parts, whole = files_of(tmp_path / "parts"), files_of(tmp_path / "whole")
    # The job of part 1 checks the maps, of its own scans.
    checked = json.loads(parts.pop("sanity.json")), json.loads(whole.pop("sanity.json"))
    assert [one["Images"] for one in checked] == [3, 7]
    assert parts.pop("sanity.npy") != whole.pop("sanity.npy")
    assert parts == whole
    for shard in ((0, 3), (4, 3)):
        with pytest.raises(InputError, match="write 1/3 to 3/3"):
            map_scans(picture_run, scans, tmp_path / "parts", shard=shard)


HOSTILE = (
    "../../escape", "/etc/passwd", "<script>alert(1)</script>", "a\"b'c", "x" * 300, "患者-١",
    "..", "con", "a\nb\tc", "%s%n$(id)`id`", "sub-01/../../x", "‮evil",
)  # fmt: skip


def test_hostile_names_write_nothing_outside(tmp_path, picture_run):
    pictures = write_pictures(tmp_path / "images", len(HOSTILE))
    scans = [
        Scan(name, name, picture.images, name)
        for name, picture in zip(HOSTILE, pictures, strict=True)
    ]
    work = tmp_path / "work"
    report = map_scans(picture_run, scans, work / "deep" / "maps")
    assert report.done == len(HOSTILE)
    assert [path.name for path in work.iterdir()] == ["deep"]
    assert [path.name for path in (work / "deep").iterdir()] == ["maps"]
    table = rows(work / "deep" / "maps" / "maps.tsv")
    assert {row["scan"] for row in table} == set(HOSTILE)
    assert map_scans(picture_run, scans, work / "deep" / "maps").skipped == len(HOSTILE)


def test_hostile_classes_are_kept_in_the_record_only(tmp_path):
    run = SmallRun(preparation((24, 32)), classes=("../grade II", "grade/II <b>"))
    (scan,) = write_pictures(tmp_path / "images", 1)
    map_scans(run, [scan], tmp_path / "maps", classes="../grade II")
    record, folder = record_of(tmp_path / "maps", scan.name)
    assert record["Class"] == "../grade II"
    assert folder == tmp_path / "maps" / "sub-01" / "anat"


def test_a_link_that_leads_outside_is_refused(tmp_path, picture_run):
    (scan,) = write_pictures(tmp_path / "images", 1)
    (tmp_path / "maps").mkdir()
    (tmp_path / "elsewhere").mkdir()
    map_scans(picture_run, [], tmp_path / "maps")
    (tmp_path / "maps" / "sub-01").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    with pytest.raises(InputError, match="leads out"):
        map_scans(picture_run, [scan], tmp_path / "maps")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_two_scans_of_one_name_are_refused(tmp_path, picture_run):
    scans = write_pictures(tmp_path / "images", 1) * 2
    with pytest.raises(InputError, match="same name"):
        map_scans(picture_run, scans, tmp_path / "maps")


def test_a_folder_of_something_else_is_left_alone(tmp_path, picture_run):
    (tmp_path / "thesis.docx").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        map_scans(picture_run, [], tmp_path)
    with pytest.raises(InputError, match="is a file"):
        map_scans(picture_run, [], tmp_path / "thesis.docx")
    assert os.listdir(tmp_path) == ["thesis.docx"]  # noqa: PTH208
