"""Map scans on a cluster: windows of them are sent to workers, which read and write the files."""

import logging
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

from hrcam.artifacts.cache import Cache
from hrcam.artifacts.manifest import run_identity
from hrcam.artifacts.maps_folder import MapsWriter
from hrcam.artifacts.overlay_scale import read_overlay_limit
from hrcam.cluster import Cluster, Killed, each_item
from hrcam.cohort.problems import Problem, Reason
from hrcam.cohort.scan import Scan
from hrcam.mapping.disk_space import DiskSpace
from hrcam.mapping.mapper import Task
from hrcam.mapping.overlay_scale import has_overlays, keep_limit_of, sample_of, top_of
from hrcam.mapping.reading import read
from hrcam.mapping.request import MapRequest
from hrcam.mapping.stages import Ended, Stages, fast_batch
from hrcam.sanity.check_folder import MappedScan, scans_to_check
from hrcam.training.config import Hardware
from hrcam.training.run import Run

logger = logging.getLogger(__name__)

_LEAST = 4
"""Scans of a window, at least: to send one takes as long as to map a small picture."""


@dataclass(frozen=True)
class MappingOrder:
    """What a worker has to know of a mapping, besides its scans.

    Attributes
    ----------
    run, manifest
        Folder of the training, and what tells it from an earlier one in the same folder.
    out
        Folder of the maps.
    request
        Which maps are wanted.
    batch_size, cache
        As for `hrcam.mapping.map_scans`.
    accelerator
        As in `hrcam.training.Hardware`.
    """

    run: Path
    manifest: str
    out: Path
    request: MapRequest
    batch_size: int | None
    accelerator: str
    cache: Cache | None


class Windows:
    """Maps scans on the workers of a cluster.

    Parameters
    ----------
    cluster
        Its workers see the run, the images and the maps under the same paths.
    order
        What is to be done.
    run
        The training.
    """

    def __init__(self, cluster: Cluster, order: MappingOrder, run: Run) -> None:
        self._cluster, self._order, self._run = cluster, order, run
        shape = run.preparation.shape
        batch = order.batch_size or fast_batch(shape, "cpu")
        # Whole batches, and as many as fill a GPU.
        self._window = batch * max(1, -(-_LEAST // batch), fast_batch(shape, "cuda") // batch)

    def choose_overlay_limit(self, scans: Sequence[Scan]) -> None:
        """Choose the scale of the overlays by some of all scans, unless the folder has it."""
        preparation, out = self._run.preparation, self._order.out
        if not has_overlays(preparation) or read_overlay_limit(out) is not None:
            return
        chosen = [scan.absolute() for scan in sample_of(scans)]
        call = partial(_tops_of, self._order)
        tops = {
            scan.name: top
            for scan, top in each_item(self._cluster, call, chosen, 1)
            if isinstance(top, float)
        }
        keep_limit_of(out, [tops[scan.name] for scan in chosen if scan.name in tops])

    def map(self, tasks: Iterator[Task], ended: Ended, scans: int) -> None:
        """Write the maps of scans, some of them at a time on each worker."""
        unmeasured = [DiskSpace(self._order.out, scans)]
        given: dict[str, Task] = {}

        def sent() -> Iterator[Task]:
            for task in tasks:
                given[task.scan.name] = task
                yield replace(task, scan=task.scan.absolute())

        call = partial(_map_window, self._order)
        for task, outcome in each_item(self._cluster, call, sent(), self._window):
            mine = given.pop(task.scan.name)
            files = ", ".join(str(path) for path in mine.scan.images.values())
            if isinstance(outcome, Killed):
                advice = (
                    "give workers more memory; if only this scan fails, open the file in the "
                    "program that wrote it, and export it again"
                )
                problem = Problem(mine.scan.name, files, Reason.UNREADABLE, str(outcome), advice)
                ended(mine, problem)
            else:
                if outcome is None and unmeasured:
                    written = mine.place.folder.glob(f"{mine.place.name}_*")
                    unmeasured.pop().check(sum(path.stat().st_size for path in written))
                ended(mine, outcome and replace(outcome, file=files))

    def check(self, mapped: Iterable[MappedScan]) -> None:
        """Run the sanity checks on a worker; if they fail to run, the maps are still complete."""
        chosen = [
            MappedScan(one.scan.absolute(), one.record)
            for one in scans_to_check(self._run.preparation.shape, mapped)
        ]
        for _, outcome in self._cluster.outcomes(partial(_check, self._order), [chosen]):
            if isinstance(outcome, Killed):
                logger.warning("the maps are complete, but could not be checked (%s)", outcome)


_OPENING = threading.Lock()


def _opened(order: MappingOrder) -> tuple[Run, MapsWriter, Stages]:
    """Open the run in this worker, once for all windows."""
    with _OPENING:
        return _open(order)


@lru_cache(maxsize=1)
def _open(order: MappingOrder) -> tuple[Run, MapsWriter, Stages]:
    run = Run.open(order.run)
    folder = MapsWriter(order.out, run_identity(run.manifest))
    hardware = Hardware(accelerator=order.accelerator, workers=1)
    stages = Stages(run, folder, order.request, order.batch_size, hardware, order.cache, scans=1)
    return run, folder, stages


def _tops_of(order: MappingOrder, scans: Sequence[Scan]) -> list[float | None]:
    run, _, stages = _opened(order)
    return [top_of(stages.mapper, scan, read(scan, run.preparation, order.cache)) for scan in scans]


def _map_window(order: MappingOrder, tasks: Sequence[Task]) -> list[Problem | None]:
    """Map scans in this worker, but for those that one which died has done."""
    run, folder, stages = _opened(order)
    stages.mapper.overlay_limit = read_overlay_limit(order.out)
    problems: dict[str, Problem] = {}

    def missing() -> Iterator[Task]:
        for task in tasks:
            place, source = task.place, task.source
            if not order.request.is_met(run, folder, place, source):
                folder.clear(place, source)
                standing = folder.standing(place, source, order.request.form)
                yield replace(task, standing=standing)

    def ended(task: Task, problem: Problem | None) -> None:
        if problem is not None:
            problems[task.scan.name] = problem

    stages.map(missing(), ended, len(tasks))
    return [problems.get(task.scan.name) for task in tasks]


def _check(order: MappingOrder, mapped: Sequence[MappedScan]) -> None:
    _opened(order)[2].check(mapped)
