"""A job again: only what is missing or out of date; and after kill -9 as if nothing had been."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small_runs import SmallRun, files_of, preparation, write_pictures

from hrcam.artifacts.maps_folder import read_maps
from hrcam.errors import InputError
from hrcam.mapping import map_scans, open_input
from hrcam.training.config import Hardware

JOB = """
import sys, time
from pathlib import Path
from small_runs import SmallRun, preparation, write_pictures
import hrcam.artifacts.maps_folder as maps_folder
from hrcam.mapping import map_scans
from hrcam.training.config import Hardware

def slow(files, write=maps_folder.write_in_order):
    for path, content in files.items():
        # As on a slow disk: half of the file is there for a while.
        half = Path(path).with_name(f".{Path(path).name}.1a2b.partial")
        half.parent.mkdir(parents=True, exist_ok=True)
        half.write_bytes(content[: len(content) // 2])
        time.sleep(0.02)
        half.unlink()
        write({path: content})

maps_folder.write_in_order = slow
folder = Path(sys.argv[1])
map_scans(
    SmallRun(preparation((24, 32))),
    write_pictures(folder / "images", 12),
    sys.argv[2],
    batch_size=1,
    hardware=Hardware(accelerator="cpu", workers=int(sys.argv[3])),
)
"""


def stamps(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("sub-*/anat/*")}


def test_a_second_run_writes_nothing_again(tmp_path, picture_run):
    scans = write_pictures(tmp_path / "images", 3)
    map_scans(picture_run, scans, tmp_path / "maps")
    before, content = stamps(tmp_path / "maps"), files_of(tmp_path / "maps")
    picture_run.loaded.clear()
    report = map_scans(picture_run, scans, tmp_path / "maps")
    assert (report.done, report.skipped) == (0, 3)
    assert stamps(tmp_path / "maps") == before
    assert files_of(tmp_path / "maps") == content
    assert picture_run.loaded == []  # nothing to do needs no network


def test_what_was_deleted_or_damaged_is_made_again(tmp_path, picture_run):
    scans = write_pictures(tmp_path / "images", 3)
    map_scans(picture_run, scans, tmp_path / "maps")
    content = files_of(tmp_path / "maps")
    next((tmp_path / "maps" / "sub-01/anat").glob("*pattern*")).unlink()
    record = next((tmp_path / "maps" / "sub-02/anat").glob("*_statmap.json"))
    record.write_bytes(record.read_bytes()[:50])
    (tmp_path / "maps" / "maps.tsv").unlink()
    report = map_scans(picture_run, scans, tmp_path / "maps")
    assert (report.done, report.skipped) == (2, 1)
    assert files_of(tmp_path / "maps") == content


def test_a_new_image_or_label_makes_maps_out_of_date(tmp_path, picture_run):
    scans = write_pictures(tmp_path / "images", 3)
    map_scans(picture_run, scans, tmp_path / "maps")
    other = write_pictures(tmp_path / "others", 1, seed=5)[0].images["image"]
    scans[0].images["image"].write_bytes(other.read_bytes())
    scans[1] = replace(scans[1], label="changed")
    report = map_scans(picture_run, scans, tmp_path / "maps")
    assert (report.done, report.skipped) == (2, 1)
    map_scans(picture_run, scans, tmp_path / "fresh")
    # But for the colours of overlays, whose scale is that of the first job in a folder.
    found, fresh = (
        {name: data for name, data in files_of(tmp_path / folder).items() if "overlay" not in name}
        for folder in ("maps", "fresh")
    )
    assert found == fresh
    assert files_of(tmp_path / "maps").keys() == files_of(tmp_path / "fresh").keys()


def test_a_change_of_the_predicted_class_leaves_no_old_maps(tmp_path, picture_run):
    scans = write_pictures(tmp_path / "images", 2)
    map_scans(picture_run, scans, tmp_path / "maps")
    (first,) = {path.name for path in (tmp_path / "maps").glob("sub-01/anat/*_statmap.json")}
    for scan in scans:
        os.utime(scan.images["image"])  # as if written anew
    # The new images are of the other class: here because the network leans to it.
    picture_run.lean = 99 if "control" in first else -99
    map_scans(picture_run, scans, tmp_path / "maps")
    (second,) = {path.name for path in (tmp_path / "maps").glob("sub-01/anat/*_statmap.json")}
    assert first != second
    assert len(list((tmp_path / "maps").glob("sub-*/anat/*"))) == 2 * 7


def test_maps_of_another_run_are_not_mixed_in(tmp_path, picture_run):
    scans = write_pictures(tmp_path / "images", 1)
    map_scans(picture_run, scans, tmp_path / "maps")
    content = files_of(tmp_path / "maps")
    with pytest.raises(InputError, match="another run"):
        map_scans(SmallRun(preparation((24, 32)), seed=1), scans, tmp_path / "maps")
    assert files_of(tmp_path / "maps") == content


def test_a_full_disk_stops_the_job_and_leaves_no_half_files(tmp_path, picture_run, monkeypatch):
    scans = write_pictures(tmp_path / "images", 3)
    map_scans(picture_run, scans, tmp_path / "whole")
    calls = []

    def full(self, content):
        calls.append(self)
        if len(calls) == 10:  # in the middle of the second scan
            raise OSError(28, "No space left on device")
        return open(self, "wb").write(content)  # noqa: PTH123

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", full)
        with pytest.raises(OSError, match="No space"):
            map_scans(picture_run, scans, tmp_path / "maps")
    assert not list((tmp_path / "maps").rglob("*.partial"))
    map_scans(picture_run, scans, tmp_path / "maps")
    assert files_of(tmp_path / "maps") == files_of(tmp_path / "whole")


@pytest.mark.parametrize(("after", "workers"), [(1, 1), (4, 1), (1, 2), (4, 2)])
def test_a_killed_job_goes_on_where_it_was_and_ends_with_the_same_bytes(tmp_path, after, workers):
    torch.set_num_threads(1)
    environment = os.environ | {
        "PYTHONPATH": str(Path(__file__).parents[1]),
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-c", JOB, str(tmp_path), str(tmp_path / "maps"), str(workers)]
    process = subprocess.Popen(command, env=environment)
    maps = tmp_path / "maps"
    while process.poll() is None:
        records = len(list(maps.glob("sub-*/anat/*_statmap.json")))
        if records >= after and list(maps.glob("*/anat/.*.partial")):
            break
        time.sleep(0.002)
    children = children_of(process.pid)
    assert len(children) == (0 if workers == 1 else workers)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    until = time.monotonic() + 20
    while any(map(alive, children)):  # they end with the job
        assert time.monotonic() < until
        time.sleep(0.02)
    done = {path: path.stat().st_mtime_ns for path in maps.glob("sub-*/anat/*_statmap.json")}
    assert after <= len(done) < 12
    assert list(maps.rglob("*.partial"))  # it was killed while it wrote
    written = {scan.name: scan for scan in _scans(tmp_path)}
    run = SmallRun(preparation((24, 32)))
    options = {"batch_size": 1, "hardware": Hardware(accelerator="cpu", workers=workers)}
    report = map_scans(run, list(written.values()), maps, **options)
    assert report.skipped == len(done)
    assert report.done + report.skipped == 12
    assert {path: path.stat().st_mtime_ns for path in done} == done  # nothing twice
    map_scans(run, list(written.values()), tmp_path / "undisturbed", **options)
    assert files_of(maps) == files_of(tmp_path / "undisturbed")


def children_of(process):
    """Processes that a process has started, on Linux."""
    tasks = Path(f"/proc/{process}/task").glob("*/children")
    return [int(child) for path in tasks for child in path.read_text().split()]


def alive(process):
    """Whether a process runs; one that has ended and was not waited for does not."""
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def _scans(folder):
    from hrcam.cohort.scan import Scan

    return [
        Scan(
            f"sub-{i:02d}",
            f"p{i}",
            {"image": folder / "images" / f"{i}.png"},
            ("control", "patient")[i % 2],
        )
        for i in range(1, 13)
    ]


def two_of_one_name(folder):
    """`A/series-3` and `B/series-3`, as a clinic exports them."""
    inputs = []
    for number, place in enumerate("AB"):
        write_pictures(folder / place / "series-3", 1, seed=number)
        inputs.append(folder / place / "series-3" / "1.png")
    return inputs


def test_maps_of_another_scan_of_the_same_name_are_kept(tmp_path, picture_run, caplog):
    first, second = two_of_one_name(tmp_path)
    out = tmp_path / "maps"
    map_scans(picture_run, open_input(first).scans, out)
    before = files_of(out)
    caplog.set_level("WARNING")
    report = map_scans(picture_run, open_input(second).scans, out)
    assert (report.done, report.skipped, report.failed) == (1, 0, ())
    assert "the folder has maps of another scan called 1" in caplog.text
    after = files_of(out)
    maps = {name: content for name, content in before.items() if name.startswith("sub-")}
    assert maps.items() <= after.items()
    records = read_maps(out).records
    assert {record.sources[0] for record in records} == {first, second}
    assert len({record.scan for record in records}) == 2


def test_each_of_them_is_found_again_and_only_its_own_maps_are_renewed(tmp_path, picture_run):
    first, second = two_of_one_name(tmp_path)
    out = tmp_path / "maps"
    for path in (first, second):
        map_scans(picture_run, open_input(path).scans, out)
    for path in (second, first):
        report = map_scans(picture_run, open_input(path).scans, out)
        assert (report.done, report.skipped) == (0, 1)
    os.utime(second, (1e9, 1e9))
    report = map_scans(picture_run, open_input(second).scans, out)
    assert (report.done, report.skipped) == (1, 0)
    assert len(read_maps(out).records) == 2


def test_names_that_become_one_in_bids_are_no_one_scan(tmp_path, picture_run):
    (scan,) = write_pictures(tmp_path / "a", 1)
    (other,) = write_pictures(tmp_path / "b", 1, seed=3)
    map_scans(picture_run, [replace(scan, name="case7")], tmp_path / "maps")
    map_scans(picture_run, [replace(other, name="sub-case7")], tmp_path / "maps")
    assert len(read_maps(tmp_path / "maps").records) == 2
