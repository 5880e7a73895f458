"""The findings of mapped scans: in the space of the image, scored, compared with controls."""

import csv
import json
import os
from dataclasses import replace

import nibabel
import numpy as np
import pytest
from PIL import Image as Pillow
from small_runs import Brightness, SmallRun, oblique, preparation, write_volume

from hrcam.artifacts.maps_folder import read_maps
from hrcam.artifacts.regions_table import read_regions
from hrcam.cohort.scan import Scan
from hrcam.mapping import map_scans

pytestmark = pytest.mark.usefixtures("unchecked")
CONTROLS = tuple(np.linspace(0.01, 0.2, 19).tolist())


@pytest.fixture
def bright_run():
    """A run whose maps are where the picture is bright, with nineteen controls."""
    return SmallRun(
        preparation((24, 32)), network=Brightness, reference="control", control_scores=CONTROLS
    )


@pytest.fixture
def scan(tmp_path):
    """A picture with a bright square, and a mask that is two columns wider."""
    pixels = np.random.default_rng(0).integers(90, 110, (24, 32)).astype(np.uint8)
    pixels[8:16, 10:18] = 250
    mask = np.zeros((24, 32), np.uint8)
    mask[8:16, 10:20] = 255
    Pillow.fromarray(pixels).save(tmp_path / "bright.png")
    Pillow.fromarray(mask).save(tmp_path / "mask.png")
    images = {"image": tmp_path / "bright.png"}
    return Scan("sub-01", "p1", images, "patient", mask=tmp_path / "mask.png")


def only_record(folder):
    (record,) = read_maps(folder).records
    return record


def row_of(folder):
    with (folder / "maps.tsv").open(newline="") as file:
        (row,) = csv.DictReader(file, delimiter="\t")
    return row


def test_a_bright_square_is_found_and_scored(tmp_path, bright_run, scan):
    map_scans(bright_run, [scan], tmp_path / "maps")
    record = only_record(tmp_path / "maps")
    (region,) = read_regions(record.files["regions"])
    labels = np.asarray(Pillow.open(record.files["findings"]))
    assert labels.shape == (24, 32)
    assert np.count_nonzero(labels == 1) == region.voxels == np.count_nonzero(labels)
    assert labels[region.peak] == 1
    truth = np.asarray(Pillow.open(scan.mask)) > 0
    overlap = 2 * np.count_nonzero((labels > 0) & truth) / (region.voxels + truth.sum())
    found = record.findings
    assert found.scores.dice == pytest.approx(overlap)
    assert overlap > 0.7
    assert (found.scores.lesions, found.scores.detected, found.scores.false_positives) == (1, 1, 0)
    assert (found.regions, found.controls, found.control_share) == (1, 19, 1 / 20)
    assert region.control_share == 1 / 20
    assert region.peak_mm is None
    assert 0 < region.evidence_share <= 1
    row = row_of(tmp_path / "maps")
    assert (row["regions"], row["control_share"], row["detected"]) == ("1", "0.05", "1")
    assert float(row["dice"]) == pytest.approx(overlap, abs=1e-4)
    overlay = np.asarray(Pillow.open(record.files["overlay"])).astype(int)
    green = (overlay == (90, 255, 90)).all(-1)[:24, :32]
    assert 0 < np.count_nonzero(green) < region.voxels
    assert (labels[green] == 1).all()


def test_an_image_as_controls_has_no_finding_and_says_so(tmp_path, bright_run, scan):
    run = replace(bright_run, control_scores=tuple(100 + np.arange(19.0)))
    map_scans(run, [scan], tmp_path / "maps")
    record = only_record(tmp_path / "maps")
    assert read_regions(record.files["regions"]) == ()
    assert not np.asarray(Pillow.open(record.files["findings"])).any()
    assert record.findings.statement.startswith("no finding: 100 % of 19 control images")
    assert record.findings.scores.dice == 0
    assert row_of(tmp_path / "maps")["regions"] == "0"
    described = json.loads(record.files["regions_sidecar"].read_text())["Description"]
    assert record.findings.statement in described


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"reference": None}, "the run has no reference class"),
        ({"reference": "patient"}, None),
        ({"control_scores": CONTROLS[:8]}, "the run has maps of 8 other controls, and 9 are"),
    ],
)
def test_without_controls_the_record_says_why(tmp_path, bright_run, scan, changes, reason):
    run = replace(bright_run, **changes)
    map_scans(run, [scan], tmp_path / "maps", classes="patient")
    found = only_record(tmp_path / "maps").findings
    assert (found.control_share, found.controls, found.regions) == (None, 0, 1)
    assert (reason or "patient is the reference class") in found.comparison


def test_a_mask_that_cannot_be_used_is_told_and_one_that_changed_is_used(
    tmp_path, bright_run, scan, caplog
):
    good = scan.mask.read_bytes()
    Pillow.new("L", (5, 5)).save(scan.mask)
    assert map_scans(bright_run, [scan], tmp_path / "maps").done == 1
    assert "the findings of sub-01 are not scored: image and mask differ" in caplog.text
    assert only_record(tmp_path / "maps").findings.scores is None
    assert row_of(tmp_path / "maps")["dice"] == "n/a"
    scan.mask.write_bytes(good)
    os.utime(scan.mask, (1, 1))
    assert map_scans(bright_run, [scan], tmp_path / "maps").done == 1
    assert only_record(tmp_path / "maps").findings.scores.lesions == 1
    assert map_scans(bright_run, [scan], tmp_path / "maps").skipped == 1


def test_volumes_have_their_place_in_space(tmp_path):
    affine = oblique((1, -1, 1), (1.0, 1.2, 2.5))
    voxels = np.random.default_rng(0).normal(100, 3, (20, 22, 10))
    voxels[5:11, 8:15, 3:7] += 60
    path = write_volume(tmp_path / "image.nii.gz", voxels, affine)
    run = SmallRun(preparation((24, 24, 24), (1.2, 1.2, 1.2)), network=Brightness, bootstrap=2)
    map_scans(run, [Scan("sub-01", "p1", {"image": path}, "patient")], tmp_path / "maps")
    record = only_record(tmp_path / "maps")
    labels = nibabel.load(record.files["findings"])
    np.testing.assert_array_equal(labels.affine, nibabel.load(path).affine)
    first = read_regions(record.files["regions"])[0]
    inside = np.asarray(labels.dataobj) == 1
    assert inside[7:9, 10:13, 4:6].all()
    assert first.size == pytest.approx(np.count_nonzero(inside) * 3.0, rel=1e-4)
    np.testing.assert_allclose(first.peak_mm, (affine @ [*first.peak, 1])[:3], rtol=1e-4)
    pattern = np.asarray(nibabel.load(record.files["pattern"]).dataobj)
    assert first.peak_value == pytest.approx(pattern[first.peak], rel=1e-2)
    assert abs(first.peak_value) == pytest.approx(np.abs(pattern).max(), rel=1e-2)
    assert first.std > 0
    assert record.findings.unit == "mm3"
    assert record.findings.smallest == pytest.approx((24 * 1.2 / 32) ** 3)
