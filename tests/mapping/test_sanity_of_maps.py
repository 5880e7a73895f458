"""``sanity.json`` of a folder of maps: on which scans, when again, and what if it fails."""

import json
import logging
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image as Pillow
from small_runs import (
    Brightness,
    SmallRun,
    files_of,
    oblique,
    preparation,
    write_pictures,
    write_volume,
)

import hrcam.sanity.check_folder as sanity
from hrcam.artifacts import sanity_record
from hrcam.artifacts.check_results import MapChecks
from hrcam.cohort.scan import Scan
from hrcam.mapping import map_scans
from hrcam.sanity.check_folder import MappedScan, by_chance, foreground


def read(folder):
    return json.loads((folder / "sanity.json").read_text())


def checked(folder, name):
    checks = {check.name: check for check in MapChecks.from_json(read(folder)).checks}
    return checks[name]


def test_one_network_is_checked_on_scans_drawn_by_their_names(tmp_path):
    run = SmallRun(preparation((24, 32)), folds=3)
    scans = write_pictures(tmp_path / "images", 16)
    map_scans(run, scans, tmp_path / "maps")
    content = read(tmp_path / "maps")
    assert [name for name, _, _ in content["Scans"]] == [scan.name for scan in by_chance(scans)]
    assert content["Images"] == 16
    assert (content["Fold"], content["SeenInTraining"]) == (1, False)
    assert content["OthersLearntFromThem"] is False  # new to all networks
    assert set(checked(tmp_path / "maps", "repeatability").details) == {
        "with fold 2", "with fold 3", "overlap of the highest 5 %",
    }  # fmt: skip
    assert len(checked(tmp_path / "maps", "noise").values) == 16
    pictures = np.load(tmp_path / "maps" / "sanity.npy")
    assert pictures.shape == (3, len(content["Pictures"]["Columns"]), 24, 32)
    first = content["Pictures"]["Rows"][0]["Scan"]
    with Pillow.open(next(s for s in scans if s.name == first).images["image"]) as picture:
        native = np.asarray(picture.resize((32, 24)), float)
    assert np.corrcoef(pictures[0, 0].ravel(), native.ravel())[0, 1] > 0.8


def test_the_network_of_a_fold_is_checked_on_what_it_has_mapped(tmp_path):
    scans = write_pictures(tmp_path / "images", 12)
    seen = {scan.participant: (1 + index % 2,) for index, scan in enumerate(scans)}
    run = SmallRun(preparation((24, 32)), folds=2, seen=seen)
    map_scans(run, scans, tmp_path / "maps")
    content = read(tmp_path / "maps")
    mine = [scan.name for scan in by_chance(scans) if seen[scan.participant] == (content["Fold"],)]
    assert [name for name, _, _ in content["Scans"]] == mine
    assert content["OthersLearntFromThem"] is True


def mapped(name, folds, seen):
    return MappedScan(
        SimpleNamespace(name=name),
        SimpleNamespace(folds=folds, seen_in_training=seen, scan=name),
    )


def test_scans_that_were_not_learnt_from_come_first():
    scans = [mapped("a", (1, 2), True), mapped("b", (2,), False), mapped("c", (1,), False),
             mapped("d", (2,), False), mapped("e", (2,), False)]  # fmt: skip
    fold, chosen = sanity.choose_scans(iter(scans), 2)
    assert (fold, [one.scan.name for one in chosen]) == (2, ["b", "d"])
    fold, chosen = sanity.choose_scans(iter(scans[:1]), 2)
    assert (fold, [one.scan.name for one in chosen]) == (1, ["a"])
    assert sanity.choose_scans(iter([]), 2) == (0, [])


@pytest.mark.parametrize(
    ("shape", "number"), [((128, 128), 16), ((48, 56, 48), 16), ((64, 64, 64), 8), ((96,) * 3, 4)]
)
def test_of_large_volumes_fewer_are_checked(shape, number):
    assert sanity.number_of_images(shape) == number


def test_checks_are_made_again_only_where_something_changed(tmp_path, picture_run):
    scans = write_pictures(tmp_path / "images", 9)
    map_scans(picture_run, scans, tmp_path / "maps")
    before = files_of(tmp_path / "maps")
    picture_run.loaded.clear()
    map_scans(picture_run, scans, tmp_path / "maps")
    assert picture_run.loaded == []
    for change in (
        lambda: (tmp_path / "maps" / "sanity.json").unlink(),
        lambda: (tmp_path / "maps" / "sanity.json").write_text("{"),
        lambda: (tmp_path / "maps" / "sanity.npy").unlink(),
    ):
        change()
        map_scans(picture_run, scans, tmp_path / "maps")
        assert files_of(tmp_path / "maps") == before
    map_scans(picture_run, scans, tmp_path / "maps", classes="patient")
    assert {one for _, _, one in read(tmp_path / "maps")["Scans"]} == {"patient"}


def test_a_job_killed_between_the_two_files_leaves_no_two_that_do_not_fit(
    tmp_path, picture_run, monkeypatch
):
    scans = write_pictures(tmp_path / "images", 9)
    map_scans(picture_run, scans, tmp_path / "maps")
    before = files_of(tmp_path / "maps")

    def stopped(path, content, write=sanity_record.write_atomically):
        if Path(path).name == "sanity.json":
            raise OSError(28, "No space left on device")
        return write(path, content)

    with monkeypatch.context() as patched:
        patched.setattr(sanity_record, "write_atomically", stopped)
        with pytest.raises(OSError, match="No space"):
            map_scans(picture_run, scans, tmp_path / "maps", classes="patient")
    assert not (tmp_path / "maps" / "sanity.json").exists()
    map_scans(picture_run, scans, tmp_path / "maps")
    after = files_of(tmp_path / "maps")
    assert {name: after[name] for name in before if "tsv" not in name} == {
        name: content for name, content in before.items() if "tsv" not in name
    }


def test_maps_stand_where_they_cannot_be_checked(tmp_path, picture_run, monkeypatch, caplog):
    def defect(*_arguments):
        raise RuntimeError("CUDA out of memory")

    monkeypatch.setattr(sanity, "check_maps", defect)
    with caplog.at_level(logging.WARNING, "hrcam"):
        report = map_scans(picture_run, write_pictures(tmp_path / "images", 3), tmp_path / "maps")
    assert report.done == 3
    assert not (tmp_path / "maps" / "sanity.json").exists()
    assert "could not be checked (RuntimeError: CUDA out of memory)" in caplog.text


def test_one_scan_is_checked_as_far_as_that_goes(tmp_path, picture_run):
    map_scans(picture_run, write_pictures(tmp_path / "images", 1), tmp_path / "maps")
    assert checked(tmp_path / "maps", "randomisation").passed is None
    assert checked(tmp_path / "maps", "noise").passed is not None
    assert read(tmp_path / "maps")["Checks"]["repeatability"]["Value"] is None


def test_of_a_volume_the_plane_where_the_pattern_is_highest_is_kept(tmp_path):
    run = SmallRun(preparation((20, 22, 18), (1.0, 1.0, 1.0)))
    generator = np.random.default_rng(0)
    scans = [
        Scan(f"sub-{i}", f"p{i}", {"image": write_volume(
            tmp_path / f"{i}.nii.gz", generator.normal(100, 20, (21, 20, 19)), oblique()
        )}, "patient")
        for i in range(2)
    ]  # fmt: skip
    map_scans(run, scans, tmp_path / "maps")
    content = read(tmp_path / "maps")
    assert np.load(tmp_path / "maps" / "sanity.npy").shape[2:] == (20, 22)[::-1]
    # Which side is left is not known of this preparation, so the plane is turned as a picture.
    assert content["Pictures"]["Radiological"] is False
    assert content["Pictures"]["Spacing"] == [1.0, 1.0]


def test_the_foreground_is_filled_and_padding_is_not_in_it():
    y, x = np.mgrid[-1:1:40j, -1:1:40j]
    distance = np.hypot(x, y)
    image = np.where(distance < 0.7, 1.0, 0.0).astype(np.float32)
    image[distance < 0.3] = 0  # as dark as the background
    whole = np.ones((40, 40), bool)
    np.testing.assert_array_equal(foreground(image[None], whole), distance < 0.7)
    half = whole.copy()
    half[:, 20:] = False
    np.testing.assert_array_equal(foreground(image[None], half), (distance < 0.7) & half)
    texture = np.random.default_rng(0).normal(size=(1, 40, 40)).astype(np.float32)
    np.testing.assert_array_equal(foreground(texture, half), half)


def with_masks(folder, scans, number, side=6):
    """The first scans with a mask: a square in a picture of 20 × 28."""
    found = []
    for index, scan in enumerate(scans):
        mask = np.zeros((20, 28), np.uint8)
        mask[4 : 4 + side, 6 + index : 6 + index + side] = 255
        Pillow.fromarray(mask).save(folder / f"{scan.name}-mask.png")
        found.append(replace(scan, mask=folder / f"{scan.name}-mask.png"))
    return [*found[:number], *scans[number:]]


def test_with_masks_in_the_table_maps_are_scored_against_bounds(tmp_path):
    run = SmallRun(preparation((24, 32)), network=Brightness)
    scans = write_pictures(tmp_path / "images", 8)
    for scan in scans:  # a bright square on noise: brightness is as good as a map can be here
        picture = np.array(Pillow.open(scan.images["image"])) // 2
        index = scans.index(scan)
        picture[4:10, 6 + index : 12 + index] += 127
        Pillow.fromarray(picture).save(scan.images["image"])
    map_scans(run, scans, tmp_path / "maps")
    assert "bounds" not in read(tmp_path / "maps")["Checks"]
    masked = with_masks(tmp_path, scans, 6)
    map_scans(run, masked, tmp_path / "maps")  # maps are as they were; the checks are made again
    content = read(tmp_path / "maps")
    assert "likeness" not in content["Checks"]
    check = checked(tmp_path / "maps", "bounds")
    assert set(check.details) == {
        "HR-CAM", "a blob at the centre", "brightness", "darkness", "edges",
        "the mean map of other scans",
    }  # fmt: skip
    assert check.details["brightness"] > 0.5
    assert len([mask for mask in content["Masks"] if mask]) == 6
    # Of three participants alone, or with masks that mark nothing: as without masks.
    map_scans(run, with_masks(tmp_path, scans, 3), tmp_path / "maps")
    assert checked(tmp_path / "maps", "likeness").passed is not None
    map_scans(run, with_masks(tmp_path, scans, 8, side=0), tmp_path / "maps")
    assert checked(tmp_path / "maps", "likeness").passed is not None


def test_a_mask_that_cannot_be_read_is_said_and_does_not_stop_the_checks(tmp_path, caplog):
    run = SmallRun(preparation((24, 32)))
    scans = with_masks(tmp_path, write_pictures(tmp_path / "images", 5), 5)
    scans[0].mask.write_bytes(b"no picture")
    with caplog.at_level(logging.WARNING, "hrcam"):
        map_scans(run, scans, tmp_path / "maps")
    assert f"maps are not scored on {scans[0].name}: " in caplog.text
    assert "HR-CAM" in checked(tmp_path / "maps", "bounds").details
