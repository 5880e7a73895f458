"""Examine many scans in several processes, so that a process that dies names the scan it was at.

Each process is a Python of its own that is handed one scan at a time. It is neither forked, which
is not safe once a program has threads, nor does it import the caller's script again, so scripts
need no ``if __name__ == "__main__"``.
"""

import os
import pickle
import queue
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import IO, Any, Self

from hrcam.artifacts.cache import Cache
from hrcam.cluster import Cluster, Killed, each_item
from hrcam.cohort.check.examination import Examination, examine, shown_files
from hrcam.cohort.problems import Problem, Reason
from hrcam.cohort.scan import Cohort, Scan
from hrcam.errors import InputError, MachineError
from hrcam.progress import Progress

_LENGTH = struct.Struct("<Q")
_WINDOW = 16
"""Scans that a worker of a cluster is sent at a time."""


def examine_all(
    cohort: Cohort,
    *,
    workers: int | None,
    cache: Cache | None = None,
    cluster: Cluster | None = None,
    progress: bool,
) -> Iterator[tuple[Scan, Examination]]:
    """Yield what was found of each scan, as it is found; no voxels are kept.

    Parameters
    ----------
    cohort
        The scans.
    workers
        Number of processes, and of images in memory at a time; 1 stays in this process, None
        takes one for each core.
    cache
        Of what was found before.
    cluster
        Examines the scans instead of processes of this machine.
    progress
        Show how far the check is: a bar on a terminal, else a line in the log every 30 seconds.

    Yields
    ------
    tuple of Scan and Examination
        In no particular order.

    Raises
    ------
    InputError
        If ``workers`` is less than 1.
    """
    if workers is not None and workers < 1:
        raise InputError(f"workers is {workers}: use 1 or more, or None for one for each core")
    processes = min(workers or _cores(), len(cohort.scans))
    jobs = [(scan, shown_files(cohort, scan), cache) for scan in cohort.scans]
    if cluster is not None:
        found = _on(cluster, jobs)
    else:
        found = _here(jobs) if processes <= 1 else _elsewhere(jobs, processes)
    with Progress(len(jobs), "checking", "scans", shown=progress) as shown:
        for result in found:
            shown.update()
            yield result


_Job = tuple[Scan, dict[str, str], Cache | None]


def _cores() -> int:
    import joblib

    cores: int = joblib.cpu_count()  # within the limits of a container
    return cores


def _here(jobs: Sequence[_Job]) -> Iterator[tuple[Scan, Examination]]:
    for scan, files, cache in jobs:
        yield scan, examine(scan, files, cache)


def _on(cluster: Cluster, jobs: Sequence[_Job]) -> Iterator[tuple[Scan, Examination]]:
    sent = ((scan.absolute(), files, cache and cache.absolute()) for scan, files, cache in jobs)
    for (scan, files, _), found in each_item(cluster, _examine_window, sent, _WINDOW):
        if isinstance(found, MachineError):
            raise found
        yield scan, _died(scan, files, str(found)) if isinstance(found, Killed) else found


def _examine_window(jobs: Sequence[_Job]) -> list[Examination | MachineError]:
    return [_examined(*job) for job in jobs]


def _elsewhere(jobs: Sequence[_Job], processes: int) -> Iterator[tuple[Scan, Examination]]:
    waiting: queue.SimpleQueue[_Job] = queue.SimpleQueue()
    for job in jobs:
        waiting.put(job)
    found: queue.SimpleQueue[tuple[Scan, Examination] | BaseException] = queue.SimpleQueue()
    stop = threading.Event()

    def keep_busy() -> None:
        """Hand scans to one process, and to a new one whenever it dies."""
        try:
            while not stop.is_set():
                with _Examiner() as examiner:
                    while examiner.alive and not stop.is_set():
                        job = waiting.get_nowait()
                        found.put((job[0], examiner.examine(*job)))
        except queue.Empty:
            return
        except BaseException as error:
            found.put(error)  # for the thread that waits for the result

    with ThreadPoolExecutor(processes) as threads:
        for _ in range(processes):
            threads.submit(keep_busy)
        try:
            for _ in jobs:
                result = found.get()
                if isinstance(result, BaseException):
                    raise result
                yield result
        finally:
            stop.set()


class _Examiner:
    """One process that examines a scan at a time."""

    def __init__(self) -> None:
        # Packages are found where this process finds them, and not where it happens to be (-P).
        paths = os.pathsep.join(path for path in sys.path if path)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", f"from {__name__} import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": paths},
        )
        assert self._process.stdin
        assert self._process.stdout
        self._to, self._from = self._process.stdin, self._process.stdout
        self.alive = True
        try:
            _receive(self._from)
        except EOFError:
            self.__exit__()
            raise RuntimeError(
                f"a process to read images {_ending(self._process.returncode)} while it started"
            ) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        """End the process, which waits for a scan and reads that there is none."""
        with suppress(BrokenPipeError):  # it died with half a message unread
            self._to.close()
        self._process.wait()
        self._from.close()

    def examine(self, scan: Scan, files: Mapping[str, str], cache: Cache | None) -> Examination:
        """Have a scan examined; if the process dies of it, say so of the scan."""
        try:
            _send(self._to, (scan, files, cache))
            result: Examination | MachineError = _receive(self._from)
        except (EOFError, BrokenPipeError):
            self.alive = False
            ending = _ending(self._process.wait())
            return _died(scan, files, f"the process that read it {ending}")
        if isinstance(result, MachineError):
            raise result
        return result


def _died(scan: Scan, files: Mapping[str, str], message: str) -> Examination:
    advice = (
        "try with one worker or more memory; if only this scan fails, open the file in the program "
        "that wrote it, and export it again"
    )
    problem = Problem(scan.name, files["image"], Reason.UNREADABLE, message, advice)
    return Examination(None, (problem,))


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name
    memory = ", as systems do when memory runs out" if name == "SIGKILL" else ""
    return f"was killed by {name}{memory}"


def serve() -> None:
    """Examine what comes through standard input until it is closed: the life of a process."""
    # An interrupt is for the parent, which then closes standard input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print must not come between the answers
    _send(answers, "ready")
    while True:
        try:
            _send(answers, _examined(*_receive(sys.stdin.buffer)))
        except (EOFError, BrokenPipeError):  # the parent is done, or gone
            return


def _examined(scan: Scan, files: dict[str, str], cache: Cache | None) -> Examination | MachineError:
    try:
        return examine(scan, files, cache)
    except MachineError as error:
        return error


def _send(pipe: IO[bytes], message: object) -> None:
    content = pickle.dumps(message)
    pipe.write(_LENGTH.pack(len(content)) + content)
    pipe.flush()


def _receive(pipe: IO[bytes]) -> Any:
    header = pipe.read(_LENGTH.size)
    if len(header) < _LENGTH.size:
        raise EOFError
    size = _LENGTH.unpack(header)[0]
    content = pipe.read(size)
    if len(content) < size:
        raise EOFError
    return pickle.loads(content)
