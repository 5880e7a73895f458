"""Memory, devices and disks: what fails there ends a job, and is no fault of a scan."""

import errno
import shutil
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import torch
from small_runs import SmallRun, preparation, write_pictures
from typer.testing import CliRunner

import hrcam.artifacts.atomic as atomic
from hrcam.artifacts.atomic import check_writable
from hrcam.artifacts.maps_folder import read_maps
from hrcam.cli import app
from hrcam.cohort.check import check_cohort, examination
from hrcam.cohort.opening import open_cohort
from hrcam.cohort.reading import files
from hrcam.errors import InputError, MachineError, machine_error
from hrcam.mapping import map_scans, mapper
from hrcam.training import samples

FULL = OSError(errno.ENOSPC, "No space left on device", "/data/maps")


@pytest.mark.parametrize(
    ("error", "said", "advice"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
         "the memory of the GPU is full", "smaller"),
        (RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"),
         "the memory of the GPU is full", "smaller"),
        (RuntimeError("CUDA error: device-side assert triggered"), "the GPU has failed", "restart"),
        (torch.AcceleratorError("CUDA error: an illegal memory access"), "the GPU has failed",
         "restart"),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), "the GPU has failed",
         "restart"),
        (MemoryError(), "the memory of this machine is full", "fewer workers"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
         "the memory of this machine is full", "fewer workers"),
        (FULL, "No space left on device: /data/maps", "free space"),
        (OSError(errno.EROFS, "Read-only file system", "/data"), "Read-only file system: /data",
         "another"),
        (OSError(errno.EMFILE, "Too many open files"), "Too many open files", "ulimit"),
    ],
)  # fmt: skip
def test_what_an_error_says_of_the_machine(error, said, advice):
    found = machine_error(error)
    assert str(found).startswith(said)
    assert advice in str(found)


@pytest.mark.parametrize(
    "error",
    [RuntimeError("mat1 and mat2 shapes cannot be multiplied"), ValueError("out of memory"),
     FileNotFoundError(errno.ENOENT, "No such file"), PermissionError(errno.EACCES, "denied")],
)  # fmt: skip
def test_other_errors_are_no_fault_of_the_machine(error):
    assert machine_error(error) is None


def raising(error):
    def fail(*arguments, **options):
        raise error

    return fail


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory."), RuntimeError("CUDA error: unspecified launch"),
     MemoryError(), FULL],
)  # fmt: skip
def test_a_job_ends_with_it_and_keeps_what_is_mapped(tmp_path, picture_run, monkeypatch, error):
    scans = write_pictures(tmp_path / "images", 3)
    map_scans(picture_run, scans[:1], tmp_path / "maps")
    monkeypatch.setattr(mapper, "explain_batch", raising(error))
    with pytest.raises(MachineError):
        map_scans(picture_run, scans, tmp_path / "maps")
    monkeypatch.undo()
    folder = read_maps(tmp_path / "maps")
    assert ([record.scan for record in folder.records], folder.failures) == (["sub-01"], ())
    report = map_scans(picture_run, scans, tmp_path / "maps")
    assert (report.done, report.skipped, report.failed) == (2, 1, ())


def test_any_other_error_is_still_one_of_its_scan(tmp_path, picture_run, monkeypatch):
    scans = write_pictures(tmp_path / "images", 2)
    monkeypatch.setattr(mapper, "explain_batch", raising(RuntimeError("a defect")))
    assert len(map_scans(picture_run, scans, tmp_path / "maps").failed) == 2


def cohort(folder):
    for number in range(4):
        write_pictures(folder / "ab"[number % 2], number + 1, seed=number)
    return open_cohort(folder)


def test_a_check_ends_with_it(tmp_path, monkeypatch):
    opened = cohort(tmp_path)
    monkeypatch.setattr(examination, "read_scan", raising(OSError(errno.EMFILE, "Too many files")))
    with pytest.raises(MachineError, match="Too many files"):
        check_cohort(opened, workers=1)


def test_an_image_too_large_for_memory_is_refused_as_that(tmp_path, monkeypatch):
    opened = cohort(tmp_path)
    monkeypatch.setattr(examination, "facts_of", raising(MemoryError()))
    found = check_cohort(opened, workers=1).problems[0]
    assert found.message == "the image needs more memory than there is"


def test_a_file_without_a_handle_is_not_unreadable():
    with pytest.raises(MachineError, match="ulimit"):
        files.unreadable(OSError(errno.EMFILE, "Too many open files"))


def test_a_disk_without_room_is_found_before_the_work(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**12, 10**12, 10**6))
    check_writable(tmp_path / "new" / "folder")
    assert not (tmp_path / "new").exists()
    with pytest.raises(MachineError, match=r"needs 2 GB, and its disk has 0\.001 GB free"):
        check_writable(tmp_path / "new", needed=2 * 10**9)
    scans = write_pictures(tmp_path / "images", 4)
    with pytest.raises(MachineError, match="needs 0"):
        samples.prepare_samples(
            scans, np.zeros(len(scans), int), preparation((512, 512)), tmp_path / "work" / "x.npy"
        )
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize("share", [0.4, 0.7, 1.0])
def test_maps_that_will_not_fit_are_told_with_the_first(
    tmp_path, picture_run, monkeypatch, caplog, share
):
    scans = write_pictures(tmp_path / "images", 8)
    map_scans(picture_run, scans, tmp_path / "all")
    sizes = [
        sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())
        for folder in sorted((tmp_path / "all").glob("sub-*"))
    ]
    assert len(sizes) == 8
    usage = namedtuple("usage", "total used free")
    # The estimate is by one scan, whichever is ready first.
    free = int(share * 8 * (max(sizes) if share == 1 else min(sizes)))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**12, 10**12, free))
    caplog.clear()
    if share < 0.5:
        with pytest.raises(MachineError, match=r"the maps of 8 scans need about .* GB free"):
            map_scans(picture_run, scans, tmp_path / "maps")
        assert not list((tmp_path / "maps").rglob("*.png"))
        return
    assert map_scans(picture_run, scans, tmp_path / "maps").done == 8
    told = [record for record in caplog.records if "need about" in record.message]
    assert len(told) == (share < 1)


@pytest.mark.parametrize(
    ("error", "kind"),
    [(FULL, MachineError), (OSError(errno.EROFS, "Read-only file system"), MachineError),
     (PermissionError(errno.EACCES, "Permission denied"), InputError)],
)  # fmt: skip
def test_a_folder_that_cannot_be_written_to(tmp_path, monkeypatch, error, kind):
    monkeypatch.setattr(atomic, "_partial_of", raising(error))
    with pytest.raises(kind):
        check_writable(tmp_path / "maps")


def test_every_command_with_output_says_it_before_its_work(tmp_path, monkeypatch, picture_run):
    scans = write_pictures(tmp_path / "images", 2)
    map_scans(picture_run, scans, tmp_path / "maps")
    cohort(tmp_path / "cohort")
    monkeypatch.setattr(atomic, "_partial_of", raising(FULL))
    for arguments in (
        ["train", tmp_path / "cohort", "--out", tmp_path / "run"],
        ["check", tmp_path / "cohort", "--json", tmp_path / "found.json"],
        ["report", tmp_path / "maps", "--out", tmp_path / "report.html"],
    ):
        result = CliRunner().invoke(app, list(map(str, arguments)))
        assert result.exit_code == 1, result.output
        assert result.output == (
            "error: No space left on device: /data/maps; free space on this disk, or choose a "
            "folder on another; the same command then goes on where it was\n"
        )


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs Linux")
def test_a_folder_on_a_disk_of_the_system():
    with pytest.raises((InputError, MachineError), match="/proc"):
        check_writable(Path("/proc/self/maps-of-hrcam"))


def test_the_command_words_an_error_of_the_gpu(tmp_path, monkeypatch):
    cohort(tmp_path / "cohort")
    error = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
    monkeypatch.setattr("hrcam.cohort.check_cohort", raising(error))
    result = CliRunner().invoke(app, ["check", str(tmp_path / "cohort")])
    assert (result.exit_code, result.output.splitlines()[0][:36]) == (
        1, "error: the memory of the GPU is full",
    )  # fmt: skip


def test_a_run_that_is_complete_needs_no_room(tmp_path):
    run = SmallRun(preparation((24, 32)))
    scans = write_pictures(tmp_path / "images", 1)
    map_scans(run, scans, tmp_path / "maps")
    assert map_scans(run, scans, tmp_path / "maps").skipped == 1
