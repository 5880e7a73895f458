"""Several processes, threads and batches give what one scan after the other gives."""

import os
import signal
import threading
import time

import numpy as np
import pytest
import torch
from small_runs import SmallRun, files_of, preparation, write_pictures

from hrcam.artifacts.map_file import read_map
from hrcam.artifacts.maps_folder import read_maps
from hrcam.cohort.problems import Problem
from hrcam.errors import InputError, MachineError
from hrcam.mapping import Form, map_scans, mapper, reading
from hrcam.mapping.pool import BoundedPool
from hrcam.preparation import prepared_scan
from hrcam.training.config import Hardware

pytestmark = pytest.mark.usefixtures("unchecked")

ONE, TWO = (Hardware(accelerator="cpu", workers=workers) for workers in (1, 2))


@pytest.fixture(autouse=True)
def _one_thread():
    """As each of two workers has: sums of several threads differ in the last digits."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def maps_of(folder):
    return {
        (record.scan, kind): read_map(path)
        for record in read_maps(folder).records
        for kind, path in record.maps.items()
    }


def test_two_workers_write_the_same_bytes_as_one(tmp_path):
    run = SmallRun(
        preparation((24, 32)), folds=3, bootstrap=2, seen={"p1": (2,), "p2": (3,), "p5": (2,)}
    )
    scans = write_pictures(tmp_path / "images", 7)
    map_scans(run, scans, tmp_path / "one", batch_size=1, hardware=ONE)
    run.loaded.clear()
    report = map_scans(run, scans, tmp_path / "two", batch_size=1, hardware=TWO)
    assert (report.done, report.skipped, report.failed) == (7, 0, ())
    assert files_of(tmp_path / "two") == files_of(tmp_path / "one")
    assert sorted(run.loaded) == [1, 2, 3]  # each network once
    assert torch.get_num_threads() == 1


@pytest.mark.parametrize("hardware", [ONE, TWO])
def test_a_batch_gives_what_single_scans_give(tmp_path, hardware):
    run = SmallRun(preparation((24, 32)), classes=("a", "b", "c"), folds=3, seen={"p1": (2,)})
    scans = write_pictures(tmp_path / "images", 8)
    exact = Form(data_type="float32")
    map_scans(run, scans, tmp_path / "single", form=exact, batch_size=1, hardware=ONE)
    map_scans(run, scans, tmp_path / "batch", form=exact, batch_size=3, hardware=hardware)
    single, batch = maps_of(tmp_path / "single"), maps_of(tmp_path / "batch")
    assert single.keys() == batch.keys()
    for key, values in single.items():
        np.testing.assert_allclose(batch[key], values, atol=2e-5)
    assert (tmp_path / "batch/maps.tsv").read_text().count("\n") == 9


def test_networks_of_an_ensemble_that_disagree_on_some_scans_of_a_batch(tmp_path):
    run = SmallRun(preparation((24, 32)), classes=("a", "b", "c"), folds=3)
    explainers = [run.explainer(fold) for fold in (1, 2, 3)]
    voxels = np.random.default_rng(0).normal(size=(12, 1, 24, 32)).astype(np.float32)
    together = mapper.explain_batch(explainers, voxels, None)
    each = [explainer.explain(torch.from_numpy(voxels)).classes for explainer in explainers]
    assert not torch.equal(each[0], each[1])
    for image, found in zip(voxels, together, strict=True):
        (alone,) = mapper.explain_batch(explainers, image[None], None)
        assert (found.predicted, found.explained) == (alone.predicted, alone.explained)
        np.testing.assert_allclose(found.maps["pattern"], alone.maps["pattern"], atol=1e-5)
        assert found.level_contributions == pytest.approx(alone.level_contributions, abs=1e-6)
        assert found.logit == pytest.approx(alone.logit, abs=1e-5)


def deadly(scans, real=prepared_scan.read_scan):
    """Read scans, but die of some, as a decoder that is broken by a file."""
    parent = os.getpid()

    def read(scan):
        if scan.name in scans:
            assert os.getpid() != parent
            time.sleep(0.05)  # the others are then at work
            os.kill(os.getpid(), signal.SIGKILL)
        return real(scan)

    return read


def test_a_scan_that_kills_its_process_is_listed_and_all_others_are_mapped(
    tmp_path, picture_run, monkeypatch
):
    scans = write_pictures(tmp_path / "images", 9)
    poisonous = {"sub-02", "sub-03", "sub-08"}
    with monkeypatch.context() as patched:
        patched.setattr(prepared_scan, "read_scan", deadly(poisonous))
        report = map_scans(picture_run, scans, tmp_path / "maps", batch_size=1, hardware=TWO)
    assert report.done == 6
    assert [problem.scan for problem in report.failed] == sorted(poisonous)
    assert {problem.message for problem in report.failed} == {"the process that read it died"}
    assert {failure.scan for failure in read_maps(tmp_path / "maps").failures} == poisonous
    # Mended, only they are mapped, and nothing is left of the accident.
    again = map_scans(picture_run, scans, tmp_path / "maps", batch_size=1, hardware=ONE)
    assert (again.done, again.skipped, again.failed) == (3, 6, ())
    map_scans(picture_run, scans, tmp_path / "undisturbed", batch_size=1, hardware=ONE)
    # But for the colours of overlays, whose scale was chosen by the scans that could be read.
    found, undisturbed = (
        {name: data for name, data in files_of(tmp_path / folder).items() if "overlay" not in name}
        for folder in ("maps", "undisturbed")
    )
    assert found == undisturbed


def test_processes_that_die_at_their_start_end_the_job_and_blame_no_scan(
    tmp_path, picture_run, monkeypatch
):
    monkeypatch.setattr(reading, "_begin", lambda: os._exit(1))
    scans = write_pictures(tmp_path / "images", 3)
    with pytest.raises(MachineError, match="died while it started: use one worker"):
        map_scans(picture_run, scans, tmp_path / "maps", hardware=TWO)
    assert (tmp_path / "maps/failures.tsv").read_text().count("\n") == 1


@pytest.mark.parametrize("hardware", [ONE, TWO])
def test_one_scan_that_cannot_be_explained_spoils_no_batch(
    tmp_path, picture_run, monkeypatch, hardware
):
    scans = write_pictures(tmp_path / "images", 4)
    odd = reading.read(scans[2], picture_run.preparation).prepared.voxels
    real = mapper.explain_batch

    def fails(explainers, voxels, *classes):
        if any(np.array_equal(one, odd) for one in voxels):
            raise RuntimeError("boom")
        return real(explainers, voxels, *classes)

    monkeypatch.setattr(mapper, "explain_batch", fails)
    report = map_scans(picture_run, scans, tmp_path / "maps", batch_size=4, hardware=hardware)
    assert report.done == 3
    assert [(one.scan, one.message[-18:]) for one in report.failed] == [
        ("sub-03", "RuntimeError: boom"),
    ]  # fmt: skip


def test_a_machine_that_fails_ends_the_job_wherever_that_shows(tmp_path, picture_run, monkeypatch):
    scans = write_pictures(tmp_path / "images", 4)

    def full(*arguments):
        raise MemoryError

    monkeypatch.setattr(prepared_scan, "read_scan", full)
    with pytest.raises(MachineError, match="memory"):
        map_scans(picture_run, scans, tmp_path / "maps", hardware=TWO)
    assert read_failures(tmp_path / "maps") == []


def read_failures(folder):
    return [path.name for path in (folder / ".failures").iterdir() if path.name != "table.json"]


def test_problems_are_reported_in_the_order_of_the_scans(tmp_path, picture_run):
    scans = write_pictures(tmp_path / "images", 6)
    for number in (5, 1, 4):
        scans[number].images["image"].unlink()
    report = map_scans(picture_run, scans, tmp_path / "maps", hardware=TWO)
    assert [problem.scan for problem in report.failed] == ["sub-02", "sub-05", "sub-06"]


def test_options_that_do_not_exist_are_refused_before_anything_is_written(tmp_path, picture_run):
    scans = write_pictures(tmp_path / "images", 1)
    with pytest.raises(InputError, match="batch_size is 0"):
        map_scans(picture_run, scans, tmp_path / "maps", batch_size=0)
    with pytest.raises(InputError, match="abacus"):
        map_scans(picture_run, scans, tmp_path / "maps", hardware=Hardware(accelerator="abacus"))
    assert not (tmp_path / "maps").exists()


def test_a_pool_is_bounded_and_keeps_the_order():
    at_once, running, taken = [], set(), []
    lock = threading.Lock()

    def call(number):
        with lock:
            running.add(number)
            at_once.append(len(running))
        time.sleep(0.01 * (number % 3))
        with lock:
            running.discard(number)
        return number

    with BoundedPool(2, taken.append) as pool:
        for number in range(10):
            pool.submit(call, number)
            assert number - len(taken) <= 3
    assert taken == list(range(10))
    assert max(at_once) == 2


def test_a_pool_raises_what_a_call_raises_and_drops_the_rest():
    called = []

    def call(number):
        called.append(number)
        time.sleep(0.02)
        raise OSError(number)

    def submit_all():
        with BoundedPool(2, called.append) as pool:
            for number in range(50):
                pool.submit(call, number)

    with pytest.raises(OSError, match="0"):
        submit_all()
    assert len(called) < 6


def test_what_is_read_says_what_is_wrong_with_it(tmp_path, picture_run):
    (scan,) = write_pictures(tmp_path / "images", 1)
    found = reading.read(scan, picture_run.preparation)
    assert found.picture.shape == found.space.shape == (20, 28)
    assert found.prepared.voxels.shape == (1, 24, 32)
    scan.images["image"].write_bytes(b"")
    problem = reading.read(scan, picture_run.preparation)
    assert isinstance(problem, Problem)
    assert problem.file == str(scan.images["image"])


def test_a_batch_has_a_size_of_its_own_on_large_grids():
    from hrcam.mapping.stages import fast_batch

    assert [fast_batch((128, 128), "cpu"), fast_batch((128, 128), "cuda")] == [16, 64]
    assert [fast_batch((96, 96, 96), "cpu"), fast_batch((96, 96, 96), "cuda")] == [1, 2]
    assert fast_batch((16, 16), "cpu") == 64


def test_two_equal_jobs_share_the_scans_and_each_ends_when_all_are_done(tmp_path, picture_run):
    scans = write_pictures(tmp_path / "images", 20)
    explainer = picture_run.explainer(1)
    picture_run.explainer = lambda fold: explainer
    reports, started = [], threading.Barrier(2)

    def job(hardware):
        started.wait()
        report = map_scans(
            picture_run, scans, tmp_path / "maps", batch_size=3, hardware=hardware, progress=False
        )
        assert len(list((tmp_path / "maps").glob("sub-*/anat/*_statmap.json"))) == 20
        reports.append(report)

    jobs = [threading.Thread(target=job, args=(ONE,)) for _ in range(2)]
    for each in jobs:
        each.start()
    for each in jobs:
        each.join()
    assert sum(report.done for report in reports) == 20
    assert all(report.done + report.skipped == 20 for report in reports)
    assert all(report.done >= 3 for report in reports)
    assert not (tmp_path / "maps" / ".claims").exists()
    table = (tmp_path / "maps/maps.tsv").read_text()
    assert table.count("\n") == 21


def test_an_interrupted_job_says_what_is_kept(tmp_path, picture_run, monkeypatch, caplog):
    caplog.set_level("INFO", "hrcam")
    scans = write_pictures(tmp_path / "images", 4)
    real, calls = mapper.explain_batch, []

    def interrupted(*arguments):
        calls.append(arguments)
        if len(calls) == 4 + 3:  # the first four are for the scale of the overlays
            raise KeyboardInterrupt
        return real(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(mapper, "explain_batch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            map_scans(picture_run, scans, tmp_path / "maps", batch_size=1, hardware=ONE)
    assert "the maps of 2 scans are kept; the same command goes on" in caplog.text
    assert (tmp_path / "maps/maps.tsv").read_text().count("\n") == 3
    assert not (tmp_path / "maps/.claims").exists()
    assert map_scans(picture_run, scans, tmp_path / "maps", hardware=ONE).skipped == 2
