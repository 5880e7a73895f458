"""Apply a function to every subject in several processes, with ordered results."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeVar

import joblib

from hrcam.cluster import Cluster, Killed, each_item, workers_died
from hrcam.errors import InputError
from hrcam.progress import Progress
from hrcam.simulate.cohort import SimulatedCohort

CHUNK = 8
"""Largest number of subjects per task, to limit the overhead of tasks."""

T = TypeVar("T")


def for_each_subject(
    function: Callable[[SimulatedCohort, int], T],
    cohort: SimulatedCohort,
    indices: Sequence[int],
    *,
    workers: int | None,
    progress: bool,
) -> Iterator[T]:
    """Yield ``function(cohort, index)`` for each index, in the order of the indices.

    Parameters
    ----------
    function : callable
        Picklable function of a cohort and an index.
    cohort : SimulatedCohort
        Passed on.
    indices : sequence of int
        The subjects.
    workers : int or None
        Number of processes; 1 stays in this one, None takes one for each core.
    progress : bool
        Show how far the work is: a bar on a terminal, else a line in the log every 30 seconds.

    Yields
    ------
    object
        What ``function`` returned.

    Raises
    ------
    InputError
        If ``workers`` is less than 1.
    """
    if workers is not None and workers < 1:
        raise InputError(f"workers is {workers}: use 1 or more, or None for one for each core")
    processes = max(1, min(workers or joblib.cpu_count(), len(indices)))
    size = max(1, min(CHUNK, len(indices) // processes))
    chunks = [indices[start : start + size] for start in range(0, len(indices), size)]
    results = joblib.Parallel(n_jobs=processes, return_as="generator")(
        joblib.delayed(_chunk)(function, cohort, chunk) for chunk in chunks
    )
    with Progress(len(indices), "simulating", "subjects", shown=progress) as shown:
        for chunk in results:
            for result in chunk:
                shown.update()
                yield result


def on_cluster(
    cluster: Cluster,
    function: Callable[[SimulatedCohort, int], None],
    simulated: SimulatedCohort,
    indices: Sequence[int],
    *,
    progress: bool,
) -> None:
    """Call ``function(simulated, index)`` for each index on a cluster, in no particular order.

    Raises
    ------
    MachineError
        If a subject kills the workers; all others are then done.
    """
    dead: list[int] = []
    with Progress(len(indices), "simulating", "subjects", shown=progress) as shown:
        call = partial(_chunk, function, simulated)
        for index, outcome in each_item(cluster, call, indices, CHUNK):
            shown.update()
            if isinstance(outcome, Killed):
                dead.append(index)
    if dead:
        raise workers_died(f"subject {dead[0] + 1} could not be simulated")


def _chunk(
    function: Callable[[SimulatedCohort, int], T], cohort: SimulatedCohort, indices: Sequence[int]
) -> list[T]:
    return [function(cohort, index) for index in indices]
