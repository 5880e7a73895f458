"""What the networks saw of mapped scans, and whether the scans are like those of the training."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from small_runs import Brightness, SmallRun, oblique, preparation, write_pictures, write_volume

from hrcam import HRCAM
from hrcam.artifacts.distance_table import UNLIKE_RATE
from hrcam.artifacts.maps_folder import read_maps
from hrcam.artifacts.scan_input import ScanInput
from hrcam.cohort.reading import read_image, read_scan
from hrcam.cohort.scan import Scan
from hrcam.head.conformal import conformal_limit
from hrcam.mapping import map_scans
from hrcam.mapping.ensemble import explain_batch
from hrcam.networks import SmallCNN

MNI152 = "mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"
pytestmark = pytest.mark.usefixtures("unchecked")


def only_record(folder):
    (record,) = read_maps(folder).records
    return record


def rows_of(folder):
    with (folder / "maps.tsv").open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def distance_of(run, scan, tmp_path):
    """The distance by the first network, as the record of a run of one fold has it."""
    map_scans(replace(run, distances=(1.0,) * 19), [scan], tmp_path / "probe")
    return only_record(tmp_path / "probe").input.distance


def test_a_scan_beyond_the_limit_is_told_everywhere(tmp_path):
    run = SmallRun(preparation((24, 32)))
    scans = write_pictures(tmp_path / "images", 2)
    distance = distance_of(run, scans[0], tmp_path)
    # The median is 1, and the limit of nineteen is the largest.
    near = replace(run, distances=(*(1.0,) * 18, 1.01 * distance))
    far = replace(run, distances=(*(1.0,) * 18, 0.99 * distance))
    assert map_scans(near, scans[:1], tmp_path / "near").unlike == ()
    record = only_record(tmp_path / "near")
    assert record.input.distance == pytest.approx(distance)
    assert record.input.limit == pytest.approx(1.01 * distance)
    assert (record.input.held_out, record.input.unlike) == (19, False)
    assert record.input.statement.startswith("like the scans")
    assert map_scans(far, scans[:1], tmp_path / "far").unlike == (scans[0].name,)
    found = only_record(tmp_path / "far").input
    assert found.unlike is True
    assert found.statement.startswith("unlike the scans that the network learnt from: its features")
    assert f"{distance:.1f} times as far" in found.statement
    (row,) = rows_of(tmp_path / "far")
    assert row["unlike_training"] == "True"
    assert float(row["distance"]) == pytest.approx(distance, rel=1e-3)
    assert float(row["distance_limit"]) == pytest.approx(0.99 * distance, rel=1e-3)
    assert row["seen_share"] == "1"
    again = map_scans(far, scans[:1], tmp_path / "far")
    assert (again.skipped, again.unlike) == (1, (scans[0].name,))


@pytest.mark.parametrize(
    ("distances", "reason"),
    [
        ((), "the run is of an earlier version of hrcam, which kept no distances"),
        ((1.0,) * 18, "the run has 18 held-out scans, and 19 are needed"),
    ],
)
def test_without_a_limit_the_record_says_why(tmp_path, distances, reason):
    run = SmallRun(preparation((24, 32)), distances=distances)
    report = map_scans(run, write_pictures(tmp_path / "images", 1), tmp_path / "maps")
    found = only_record(tmp_path / "maps").input
    assert (found.limit, found.unlike, found.comparison) == (None, None, reason)
    assert found.statement.endswith(reason)
    (row,) = rows_of(tmp_path / "maps")
    assert (row["unlike_training"], row["distance_limit"]) == ("n/a", "n/a")
    assert report.unlike == ()


def test_of_several_networks_the_median_counts(tmp_path):
    run = SmallRun(preparation((12, 12)), folds=3, distances=tuple(np.linspace(1, 3, 19)))
    (scan,) = write_pictures(tmp_path / "images", 1, size=(12, 12))
    map_scans(run, [scan], tmp_path / "maps")
    voxels = run.preparation.apply(read_scan(scan)).voxels
    explainers = [run.explainer(fold) for fold in (1, 2, 3)]
    each = explain_batch(explainers, voxels[None], None)[0].distances
    assert len(set(each)) == 3
    found = only_record(tmp_path / "maps").input
    assert found.distance == pytest.approx(np.median(each) / 2, rel=1e-4)  # 2: the median fold
    assert found.held_out == 57


def test_the_box_of_the_grid_is_where_the_map_is_not_zero(tmp_path):
    affine = oblique((1, -1, 1), (1.0, 1.2, 2.5), order=(1, 2, 0))
    voxels = np.random.default_rng(0).normal(100, 3, (30, 22, 40))
    path = write_volume(tmp_path / "image.nii.gz", voxels, affine)
    run = SmallRun(preparation((16, 16, 8), (1.0, 1.2, 2.5)), network=Brightness)
    map_scans(run, [Scan("sub-01", "p1", {"image": path})], tmp_path / "maps")
    record = only_record(tmp_path / "maps")
    evidence = np.asarray(nibabel.load(record.files["evidence"]).dataobj)
    places = np.nonzero(evidence)
    assert record.input.box == tuple((axis.min(), axis.max() + 1) for axis in places)
    assert record.input.share == pytest.approx(16 * 16 * 8 / voxels.size)
    assert record.input.seen == "The network saw 8 % of the scan; the map is 0 elsewhere."
    # In the order of right, anterior, superior.
    assert record.input.voxel_size == pytest.approx((1.0, 1.2, 2.5), rel=1e-4)
    about = json.loads(next((tmp_path / "maps").rglob("*_statmap.json")).read_text())["Input"]
    assert about["Box"] == [list(ends) for ends in record.input.box]


@pytest.mark.parametrize(
    ("sides", "unlike"),
    [((1, 1, 1), None), ((1.4, 1.4, 1.4), None), ((3, 3, 3), True), ((0.5, 0.5, 1), True)],
    ids=str,
)
def test_much_coarser_or_finer_voxels_than_those_of_the_training_are_told(tmp_path, sides, unlike):
    path = write_volume(
        tmp_path / "image.nii.gz",
        np.random.default_rng(0).normal(100, 3, (16, 16, 16)),
        np.diag([*sides, 1.0]),
    )
    sizes = ((0.9, 0.9, 0.9), (1.0, 1.0, 1.2))
    run = SmallRun(preparation((16, 16, 16), (1.0, 1.0, 1.0)), voxel_sizes=sizes)
    map_scans(run, [Scan("sub-01", "p1", {"image": path})], tmp_path / "maps")
    found = only_record(tmp_path / "maps").input
    assert found.unlike is unlike
    if unlike:
        assert found.reasons[0].endswith("theirs were 0.9 × 0.9 × 0.9 to 1 × 1 × 1.2 mm")


def test_the_order_of_axes_does_not_make_voxels_unusual():
    known = ScanInput(
        ((0, 5),) * 3,
        1.0,
        (5.0, 1.0, 1.0),
        ((0.8, 0.8, 4.0), (1.0, 1.0, 5.0)),
        None,
        None,
        0,
        "new",
    )
    assert known.reasons == ()
    assert ScanInput.from_json(known.to_json()) == known
    assert replace(known, voxel_size=(1.0, 8.0, 1.0)).unlike


@pytest.mark.parametrize(
    ("share", "told"),
    [(0.004, "less than 1 %"), (0.034, "3 %"), (0.999, "99 %"), (1.0, None)],
)
def test_how_much_was_seen_is_a_sentence(share, told):
    found = ScanInput(((0, 5),), share, None, None, 1.0, 2.0, 19)
    assert found.seen == (
        f"The network saw {told} of the scan; the map is 0 elsewhere." if told else ""
    )


@pytest.mark.real_data
def test_a_network_for_crops_around_the_hippocampus_does_not_know_a_whole_head(real_data):
    crops = sorted((real_data / "msd_hippocampus_3d/images").glob("*.nii.gz"))[:64]
    head = Path(pytest.importorskip("nilearn").__file__).parent / "datasets/data" / MNI152
    prepare = preparation((24, 32, 24), (2.0, 2.0, 2.0)).model_copy(
        update={"crop_to_foreground": True}
    )
    voxels = [torch.from_numpy(prepare.apply(read_image(path)).voxels) for path in (*crops, head)]
    torch.manual_seed(0)
    network = SmallCNN(3, 1, 2, (8, 16, 32)).eval()
    hr = HRCAM(network).fit([torch.stack(voxels[:40])], target="logits")
    held_out = hr.logits(torch.stack(voxels[40:64])).distance.double().numpy()
    distance = float(hr.logits(torch.stack(voxels[64:])).distance)
    assert distance > 2 * conformal_limit(held_out, UNLIKE_RATE)
