"""Scans in several processes: the same as in one, and a process that dies names its scan."""

import os
import signal
import subprocess
import sys
from pathlib import Path, PosixPath

import pytest
from cohort_files import ImagesWithoutHandle, write_nifti, write_table

from hrcam.cohort.check import check_cohort, examiners
from hrcam.cohort.opening import open_cohort
from hrcam.cohort.problems import Reason
from hrcam.cohort.scan import Cohort, Scan
from hrcam.errors import InputError, MachineError


class DeadlyPath(PosixPath):
    """A path that kills whichever process receives it, as the kernel does when memory is out."""

    def __reduce__(self):
        return signal.raise_signal, (signal.SIGKILL,)


@pytest.fixture
def cohort(tmp_path):
    rows = []
    for number in range(6):
        write_nifti(tmp_path / f"{number}.nii.gz", number)
        cells = {"image": f"{number}.nii.gz", "label": "ab"[number % 2]}
        rows.append({"participant_id": f"s{number}", **cells})
    (tmp_path / "3.nii.gz").write_bytes((tmp_path / "3.nii.gz").read_bytes()[:300])
    return open_cohort(write_table(tmp_path / "t.tsv", rows))


def test_processes_find_what_one_finds(cohort):
    assert check_cohort(cohort, workers=2) == check_cohort(cohort, workers=1)


@pytest.mark.parametrize("workers", [2, 4])
def test_a_killed_process_names_its_scan_and_the_others_go_on(cohort, workers):
    scans = list(cohort.scans)
    for place in (0, 4):
        scans[place] = Scan("killer" + str(place), "k", {"image": DeadlyPath("/tmp/huge.nii")})
    deadly = Cohort(cohort.source, cohort.channels, tuple(scans))
    report = check_cohort(deadly, labels=False, workers=workers)
    assert [(p.scan, p.reason) for p in report.problems] == [
        ("killer0", Reason.UNREADABLE),
        ("killer4", Reason.UNREADABLE),
        ("s3", Reason.TRUNCATED),
    ]
    assert "killed by SIGKILL" in report.problems[0].message
    assert report.problems[0].file == "/tmp/huge.nii"
    assert set(report.facts) == {"s1", "s2", "s5"}


@pytest.mark.parametrize("workers", [1, 2])
def test_what_the_machine_lacks_ends_the_check(cohort, workers):
    scans = list(cohort.scans)
    scans[2] = Scan("s2", "s2", ImagesWithoutHandle(image=Path("2.nii")))
    failing = Cohort(cohort.source, cohort.channels, tuple(scans))
    with pytest.raises(MachineError, match="Too many open files"):
        check_cohort(failing, workers=workers)


def test_no_process_is_left_when_the_caller_stops_early(cohort, monkeypatch):
    started = []

    class Recorded(subprocess.Popen):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            started.append(self)

    monkeypatch.setattr(examiners.subprocess, "Popen", Recorded)
    results = examiners.examine_all(cohort, workers=2, progress=False)
    next(results)
    results.close()
    assert len(started) == 2
    assert all(process.returncode == 0 for process in started)


def test_a_process_that_cannot_start_is_no_problem_of_a_scan(cohort, monkeypatch):
    monkeypatch.setattr(examiners.sys, "executable", "/bin/false")
    with pytest.raises(RuntimeError, match="ended with exit code 1 while it started"):
        check_cohort(cohort, workers=2)


def test_a_script_needs_no_main_guard(cohort, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from hrcam.cohort.check import check_cohort\n"
        "from hrcam.cohort.opening import open_cohort\n"
        "print('once')\n"
        f"print(len(check_cohort(open_cohort({str(cohort.source)!r}), workers=2).facts))\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == ["once", "5"]


def test_what_libraries_print_does_not_come_between_the_answers(cohort, tmp_path):
    # A module of this name is imported by the process, through the path that it inherits.
    (tmp_path / "sitecustomize.py").write_text(
        "import os\n"
        "import hrcam.cohort.check.examiners as examiners\n"
        "original = examiners.examine\n"
        "def examine(*arguments):\n"
        "    os.write(1, b'noise of a library\\n')\n"
        "    return original(*arguments)\n"
        "examiners.examine = examine\n"
    )
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from hrcam.cohort.check import check_cohort\n"
            "from hrcam.cohort.opening import open_cohort\n"
            f"print(len(check_cohort(open_cohort({str(cohort.source)!r}), workers=2).facts))\n",
        ],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.split() == ["5"]
    assert done.stderr.count("noise of a library") == 6


def test_the_number_of_workers_is_checked():
    with pytest.raises(InputError, match="workers is 0"):
        check_cohort(Cohort(Path(), ("image",)), workers=0)
