"""Read and prepare scans ahead of the network, in processes of their own.

A process that dies, as of a damaged file that breaks a decoder, ends neither the job nor the other
scans. The engine is `concurrent.futures`: it tells which scans have no result, where torch's
DataLoader raises in whatever the main thread is doing when a worker dies.
"""

import logging
import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from itertools import islice
from typing import TypeVar

from threadpoolctl import threadpool_limits

from hrcam.artifacts.cache import Cache
from hrcam.cohort.problems import ImageError, Problem, Reason
from hrcam.cohort.scan import Scan
from hrcam.errors import HRCAMError, MachineError, machine_error
from hrcam.preparation import Preparation
from hrcam.preparation.prepared_scan import PreparedScan, prepare_scan

logger = logging.getLogger(__name__)

_AHEAD = 2
"""Scans that are read ahead, for each process."""

Task = TypeVar("Task")


def read(
    scan: Scan, preparation: Preparation, cache: Cache | None = None
) -> PreparedScan | Problem | MachineError:
    """Read and prepare a scan; what goes wrong is returned, as it may have to cross processes."""
    try:
        return prepare_scan(scan, preparation, cache)
    except Exception as error:
        return failure_of(scan, error)


def read_ahead(
    tasks: Iterator[Task],
    scan_of: Callable[[Task], Scan],
    preparation: Preparation,
    workers: int,
    settle: Callable[[], None],
    cache: Cache | None,
) -> Generator[tuple[Task, PreparedScan | Problem | MachineError]]:
    """Yield tasks with what was read for them, in their order.

    Parameters
    ----------
    tasks
        Taken from as processes become free, a few ahead of what is yielded.
    scan_of
        The scan of a task.
    preparation
        Prepares each image.
    workers
        Number of processes; 1 reads in this one, where a scan that kills its process kills the job.
    settle
        Called before processes are started again; then no other thread of this process may be at
        work, as it would be copied in the middle of it.
    cache
        Of prepared scans.

    Yields
    ------
    tuple
        A task, and the prepared scan, its problem, or what is wrong with the machine.

    Raises
    ------
    MachineError
        If processes die while they start.
    """
    if workers == 1:
        for task in tasks:
            yield task, read(scan_of(task), preparation, cache)
        return
    waiting: deque[tuple[Task, Future[PreparedScan | Problem | MachineError]]] = deque()
    pool = _readers(workers)
    try:
        while True:
            for task in islice(tasks, _AHEAD * workers - len(waiting)):
                waiting.append((task, _submitted(pool, scan_of(task), preparation, cache)))
            if not waiting:
                return
            task, future = waiting[0]
            try:
                outcome = future.result()
            except BrokenProcessPool:
                # All scans that were being read are without a result, and one of them is to blame.
                pool.shutdown()
                logger.debug(
                    "a process that read images died: reading %d scans alone", len(waiting)
                )
                for task, future in waiting:
                    if future.exception() is None:
                        yield task, future.result()
                    else:
                        settle()
                        yield task, _read_alone(scan_of(task), preparation, cache)
                waiting.clear()
                settle()
                pool = _readers(workers)
            else:
                waiting.popleft()
                yield task, outcome
    finally:
        pool.shutdown(cancel_futures=True)


def failure_of(scan: Scan, error: Exception) -> Problem | MachineError:
    """Describe an error as the problem of its scan, unless the next scan would fare no better."""
    failed = machine_error(error)
    if failed is not None:
        return failed
    if isinstance(error, ImageError):
        return _problem(scan, error.reason, error.message, error.advice)
    if isinstance(error, HRCAMError):
        advice = "see `hrcam check`, or leave the scan out"
        return _problem(scan, Reason.UNSUPPORTED, str(error), advice)
    # A defect of ours or of a library.
    logger.debug("mapping %s failed", scan.name, exc_info=error)
    message = f"mapping failed unexpectedly, {type(error).__name__}: {error}"
    advice = "see the traceback with logging at DEBUG, and report it with the file's header"
    return _problem(scan, Reason.UNREADABLE, message, advice)


def _problem(scan: Scan, reason: Reason, message: str, advice: str) -> Problem:
    file = ", ".join(str(path) for path in scan.images.values())
    return Problem(scan.name, file, reason, message, advice)


def _readers(workers: int) -> ProcessPoolExecutor:
    # Elsewhere than on Linux a forked process may not use the system's libraries.
    method = "fork" if sys.platform == "linux" else None
    return ProcessPoolExecutor(workers, multiprocessing.get_context(method), _begin)


def _begin() -> None:
    """Begin the life of a process that reads: it ends with its parent, however that ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is for the parent
    threadpool_limits(1)  # there are as many processes as cores
    parent = multiprocessing.parent_process()
    assert parent

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def _submitted(
    pool: ProcessPoolExecutor, scan: Scan, preparation: Preparation, cache: Cache | None
) -> Future[PreparedScan | Problem | MachineError]:
    try:
        return pool.submit(read, scan, preparation, cache)
    except BrokenProcessPool as error:
        failed: Future[PreparedScan | Problem | MachineError] = Future()
        failed.set_exception(error)
        return failed


def _read_alone(
    scan: Scan, preparation: Preparation, cache: Cache | None
) -> PreparedScan | Problem | MachineError:
    """Read one scan in a new process; if that dies of it, say so of the scan."""
    with _readers(1) as pool:
        try:
            pool.submit(os.getpid).result()
        except BrokenProcessPool as error:
            raise MachineError(
                "a process to read images died while it started: use one worker, and see that a "
                'script that maps begins with `if __name__ == "__main__":`'
            ) from error
        with suppress(BrokenProcessPool):
            return pool.submit(read, scan, preparation, cache).result()
    return _problem(
        scan,
        Reason.UNREADABLE,
        "the process that read it died",
        "open the file in the program that wrote it, and export it again; if many scans fail so, "
        "use fewer workers or more memory",
    )
