"""Claims of jobs on scans: one job for each scan, and none for the dead."""

import json
import os
import subprocess
import sys

import pytest

from hrcam.artifacts import scan_claims
from hrcam.artifacts.scan_claims import CLAIMS, ScanClaims


@pytest.fixture
def dead():
    """Number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.fixture
def unburied():
    """Number of a process that has ended, but that nobody has asked for its exit code."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    yield process.pid
    process.wait()


def left_by(folder, identity, scan=None, age=0.0):
    """The files of a job that was killed."""
    (folder / CLAIMS).mkdir(exist_ok=True)
    job = folder / CLAIMS / "0.job"
    job.write_text(json.dumps(identity))
    if scan is not None:
        os.link(job, ScanClaims(folder)._path(scan))
    os.utime(job, (job.stat().st_atime, job.stat().st_mtime - age))


def test_of_two_jobs_one_has_a_scan_until_it_lets_it_go(tmp_path):
    with ScanClaims(tmp_path) as one, ScanClaims(tmp_path) as other:
        assert (one.take("a"), other.take("a"), one.take("a")) == (True, False, True)
        assert other.take("b")
        assert not one.is_alone()
        one.release("a")
        assert other.take("a")
        assert not one.take("a")
    assert list(tmp_path.iterdir()) == []


def test_a_job_releases_all_at_its_end_and_leaves_what_is_of_others(tmp_path):
    with ScanClaims(tmp_path) as one:
        with ScanClaims(tmp_path) as other:
            other.take("b")
            one.take("a")
        assert one.is_alone()
        assert one.take("b")
        with ScanClaims(tmp_path) as third:
            assert not third.take("a")


def test_what_a_killed_job_has_claimed_is_free_at_once(tmp_path, dead):
    left_by(tmp_path, scan_claims._identity(dead) | {"Started": "1"}, "a")
    with ScanClaims(tmp_path) as claims:
        assert claims.is_alone()
        assert claims.take("a")
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_is_not_buried_is_dead(unburied):
    assert scan_claims._start_of(unburied) is None
    assert scan_claims._start_of(os.getpid()) not in (None, "running")


def test_a_process_of_the_same_number_that_started_later_is_another(tmp_path):
    left_by(tmp_path, scan_claims._identity(os.getpid()) | {"Started": "1"}, "a")
    with ScanClaims(tmp_path) as claims:
        assert claims.take("a")


@pytest.mark.parametrize(("age", "free"), [(60, False), (300, True)])
def test_a_job_of_another_machine_is_dead_when_it_is_silent(tmp_path, age, free):
    left_by(tmp_path, {"Machine": "node-7", "Process": os.getpid(), "Started": "1"}, "a", age)
    with ScanClaims(tmp_path) as claims:
        assert claims.take("a") is free
        assert claims.is_alone() is free


def test_a_job_shows_that_it_is_alive(tmp_path, monkeypatch):
    monkeypatch.setattr(scan_claims, "_BEAT", 0.01)
    with ScanClaims(tmp_path) as claims:
        claims.take("a")
        path = claims._path("a")
        os.utime(path, (1, 1))
        for _ in range(500):
            if path.stat().st_mtime > 1:
                break
            claims._ended.wait(0.01)
        assert path.stat().st_mtime > 1


def test_without_hard_links_every_job_takes_every_scan(tmp_path, monkeypatch):
    def refuse(source, target):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    with ScanClaims(tmp_path) as one, ScanClaims(tmp_path) as other:
        assert one.take("a")
        assert other.take("a")
    assert list(tmp_path.iterdir()) == []


def test_any_name_can_be_claimed(tmp_path):
    with ScanClaims(tmp_path) as claims:
        for name in ("", "../x", "a/b", "x" * 500, "\udcff", "患者"):
            assert claims.take(name)
        assert {path.parent for path in tmp_path.rglob("*.claim")} == {tmp_path / CLAIMS}
