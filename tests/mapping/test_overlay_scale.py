"""One colour scale for all overlays of a folder: that of the cohort's own maps."""

import json

import numpy as np
import pytest
from small_runs import SmallRun, preparation, write_pictures, write_volume

from hrcam.artifacts.overlay_scale import keep_overlay_limit, read_overlay_limit
from hrcam.cohort.scan import Scan
from hrcam.errors import InputError, NewerFormatError
from hrcam.mapping import Form, map_scans


def content(folder):
    return json.loads((folder / "overlays.json").read_text())


def overlays(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*/anat/*overlay*")}


def test_the_limit_is_a_percentile_of_the_maxima_of_the_maps(tmp_path, picture_run):
    scans = write_pictures(tmp_path / "images", 9)
    map_scans(picture_run, scans, tmp_path / "maps", form=Form(data_type="float32"))
    found = content(tmp_path / "maps")
    assert (found["Format"], found["Unit"], found["Scans"]) == (1, "root SD", 9)
    tops = [
        np.percentile(np.abs(np.load(path)), 99.9)
        for path in (tmp_path / "maps").glob("*/anat/*desc-pattern*.npy")
    ]
    # Maps in the files are on the grid of the picture, which is coarser than the network's.
    assert found["Limit"] == pytest.approx(np.percentile(tops, 95), rel=0.2)
    assert len(overlays(tmp_path / "maps")) == 9


def test_jobs_of_parts_and_later_jobs_have_the_same_scale(tmp_path, picture_run):
    scans = write_pictures(tmp_path / "images", 40)
    map_scans(picture_run, scans, tmp_path / "whole")
    assert content(tmp_path / "whole")["Scans"] == 32
    for part in (2, 1):
        map_scans(picture_run, scans, tmp_path / "parts", shard=(part, 2))
    assert content(tmp_path / "parts") == content(tmp_path / "whole")
    assert overlays(tmp_path / "parts") == overlays(tmp_path / "whole")
    before = content(tmp_path / "parts")
    more = write_pictures(tmp_path / "more", 3, seed=5)
    map_scans(picture_run, more, tmp_path / "parts")
    assert content(tmp_path / "parts") == before


def test_scans_that_cannot_be_read_do_not_count(tmp_path, picture_run):
    scans = write_pictures(tmp_path / "images", 5)
    scans[2].images["image"].write_bytes(b"damaged")
    report = map_scans(picture_run, scans, tmp_path / "maps")
    assert (report.done, len(report.failed)) == (4, 1)
    assert content(tmp_path / "maps")["Scans"] == 4


def test_volumes_have_no_overlays_and_no_scale(tmp_path):
    volume = write_volume(
        tmp_path / "a.nii.gz", np.random.default_rng(0).normal(size=(9, 9, 9)), np.eye(4)
    )
    run = SmallRun(preparation((16, 16, 16), (1.0, 1.0, 1.0)))
    map_scans(run, [Scan("sub-01", "p", {"image": volume})], tmp_path / "maps")
    assert not (tmp_path / "maps" / "overlays.json").exists()


def test_the_first_limit_of_a_folder_counts(tmp_path):
    assert read_overlay_limit(tmp_path) is None
    assert keep_overlay_limit(tmp_path, 0.5, 8) == 0.5
    assert keep_overlay_limit(tmp_path, 0.7, 9) == 0.5
    (tmp_path / "overlays.json").write_text('{"Limit": -1}')
    with pytest.raises(InputError, match=r"overlays.json has the limit -1: delete it"):
        read_overlay_limit(tmp_path)
    (tmp_path / "overlays.json").write_text('{"Format": 2, "Limit": 1}')
    with pytest.raises(NewerFormatError, match="update hrcam"):
        read_overlay_limit(tmp_path)
