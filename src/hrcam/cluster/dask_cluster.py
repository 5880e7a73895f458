"""A cluster of Dask: workers on this machine, or those of a scheduler that is running."""

from hrcam.errors import InputError, MachineError, require

require(__name__, "dask", "distributed")

import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import joblib
from distributed import Client, KilledWorker, LocalCluster, as_completed

from hrcam.cluster.interface import Cluster, Item, Killed, Result

logger = logging.getLogger(__name__)

_LOCAL = "local"
_AHEAD = 2
"""Calls that are submitted for each thread of the workers, so that none waits for the next."""


@contextmanager
def open_cluster(scheduler: str) -> Iterator[Cluster]:
    """Connect to a Dask scheduler for the time of a job.

    Parameters
    ----------
    scheduler
        The path of a scheduler file, an address like ``tcp://node7:8786``, or ``local:4`` for four
        processes on this machine; ``local`` starts one for each core. Workers may come and go.

    Yields
    ------
    Cluster

    Raises
    ------
    InputError
        If there is no such file, or nothing answers there.
    """
    with ExitStack() as stack:
        yield _DaskCluster(stack.enter_context(_client(scheduler, stack)))


def _client(scheduler: str, stack: ExitStack) -> Any:
    name, _, number = scheduler.partition(":")
    if name == _LOCAL:
        if number and not (number.isdecimal() and int(number)):
            raise InputError(f"the scheduler is {scheduler!r}: write local:4 for four processes")
        local = LocalCluster(
            int(number) if number else joblib.cpu_count(),
            threads_per_worker=1,
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,  # deaths of workers are told by the job
        )
        return Client(stack.enter_context(local))
    path = Path(scheduler)
    if path.suffix == ".json" and not path.is_file():
        raise InputError(
            f"there is no scheduler file {path}: start `dask scheduler --scheduler-file {path}` "
            "first, on a disk that this machine sees"
        )
    try:
        return Client(scheduler_file=str(path)) if path.is_file() else Client(scheduler)
    except (OSError, ValueError) as error:
        raise InputError(
            f"no Dask scheduler answers at {scheduler} ({error}): give its file, its address, or "
            "local:4 for four processes on this machine"
        ) from error


class _DaskCluster:
    """Runs calls on the workers of a client."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def outcomes(
        self, call: Callable[[Item], Result], items: Iterable[Item]
    ) -> Iterator[tuple[Item, Result | Killed]]:
        """Yield items with the results of a call, as they come; see `Cluster.outcomes`."""
        waiting: dict[Any, Item] = {}
        ended = as_completed()
        items = iter(items)
        try:
            while True:
                for item in islice(items, max(0, self._room() - len(waiting))):
                    future = self._client.submit(call, item, pure=False)
                    waiting[future] = item
                    ended.add(future)
                if not waiting:
                    return
                future = next(ended)
                outcome = _outcome(future)
                yield waiting.pop(future), outcome
        finally:
            self._client.cancel(list(waiting))

    def _room(self) -> int:
        """Return how many calls there may be at a time; before the first worker comes, a few."""
        threads: int = sum(self._client.nthreads().values())
        return _AHEAD * max(1, threads)


def _outcome(future: Any) -> Any:
    try:
        return future.result()
    except KilledWorker as error:
        return Killed(error.allowed_failures + 1)
    except CancelledError as error:
        raise MachineError(
            "the connection to the Dask scheduler was lost: see that it runs, and start it again; "
            "the same command then goes on where it was"
        ) from error
