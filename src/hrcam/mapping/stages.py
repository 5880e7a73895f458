"""Map scans on this machine: read, explain, encode and write, each step ahead of the next."""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing
from math import prod
from typing import Protocol

import joblib
from threadpoolctl import threadpool_limits

from hrcam.artifacts.cache import Cache
from hrcam.artifacts.manifest import run_identity
from hrcam.artifacts.maps_folder import MapsWriter
from hrcam.cohort.problems import Problem
from hrcam.cohort.scan import Scan
from hrcam.errors import MachineError
from hrcam.explainer import HRCAM
from hrcam.mapping.disk_space import DiskSpace
from hrcam.mapping.mapper import Mapper, Prepared, Task
from hrcam.mapping.names import bids_labels
from hrcam.mapping.overlay_scale import overlay_limit
from hrcam.mapping.pool import BoundedPool
from hrcam.mapping.reading import read_ahead
from hrcam.mapping.request import MapRequest
from hrcam.sanity.check_folder import MappedScan, check_folder
from hrcam.training.config import Hardware
from hrcam.training.run import Run

logger = logging.getLogger(__name__)

# A batch of this many voxels fills the caches of a core; larger ones are slower there.
_VOXELS_AT_ONCE, _VOXELS_AT_ONCE_ON_GPU = 2**18, 2**21
_MOST_AT_ONCE = 64

Ended = Callable[[Task, Problem | None], None]
"""Called with each scan that is mapped, or with what is wrong with it."""


class Engine(Protocol):
    """Maps scans, here or elsewhere."""

    def choose_overlay_limit(self, scans: Sequence[Scan]) -> None:
        """Choose the scale of the overlays by some of all scans, unless the folder has it."""

    def map(self, tasks: Iterator[Task], ended: Ended, scans: int) -> None:
        """Write the maps of scans, of which there are at most so many."""

    def check(self, mapped: Iterable[MappedScan]) -> None:
        """Run the sanity checks of the maps."""


class Stages:
    """Maps scans in processes and threads of this machine.

    Parameters
    ----------
    run
        The training.
    folder
        Where the maps go.
    request
        Which maps are wanted.
    batch_size
        Scans that are explained at once; None for as many as are fast.
    hardware
        Device and number of workers.
    cache
        Of prepared scans.
    scans
        The most that there are to map: there are no more workers.
    """

    def __init__(
        self,
        run: Run,
        folder: MapsWriter,
        request: MapRequest,
        batch_size: int | None,
        hardware: Hardware,
        cache: Cache | None,
        scans: int,
    ) -> None:
        self._run, self._folder, self._cache = run, folder, cache
        self._workers = max(1, min(hardware.workers or joblib.cpu_count(), scans))
        device = hardware.device
        turns = threading.Semaphore(self._workers if device.type == "cpu" else 1)
        labels = bids_labels(run.classes)
        self.mapper = Mapper(run, request, labels, device, turns)
        self._size = batch_size or fast_batch(run.preparation.shape, device.type)

    def choose_overlay_limit(self, scans: Sequence[Scan]) -> None:
        """Choose the scale of the overlays by some of all scans, unless the folder has it."""
        with _one_thread_of_blas():
            self.mapper.overlay_limit = overlay_limit(
                self._folder.out,
                scans,
                self._run.preparation,
                self.mapper,
                self._workers,
                self._cache,
            )

    def map(self, tasks: Iterator[Task], ended: Ended, scans: int) -> None:
        """Read, explain, encode and write scans, each step ahead of the next by a few scans."""
        space = DiskSpace(self._folder.out, scans)
        Outcomes = list[tuple[Task, Problem | None]]

        def map_batch(batch: Sequence[Prepared], explainers: Sequence[HRCAM]) -> Outcomes:
            outcomes: Outcomes = []
            for one, files in zip(batch, self.mapper.files_of(batch, explainers), strict=True):
                if isinstance(files, Problem):
                    outcomes.append((one.task, files))
                else:
                    space.check(sum(len(each) for of_class in files for each in of_class.values()))
                    for of_class in files:
                        self._folder.write(one.task.scan.name, of_class)
                    outcomes.append((one.task, None))
            return outcomes

        def take(outcomes: Outcomes) -> None:
            for task, problem in outcomes:
                ended(task, problem)

        # One batch for each set of networks: all have the same grid.
        waiting: dict[tuple[int, ...], list[Prepared]] = {}
        with _one_thread_of_blas(), BoundedPool(self._workers, take) as pool:

            def submit(folds: tuple[int, ...]) -> None:
                # In this thread, so that each network is loaded once.
                explainers = [self.mapper.explainer(fold) for fold in folds]
                pool.submit(map_batch, waiting.pop(folds), explainers)

            reading = read_ahead(
                tasks,
                lambda task: task.scan,
                self._run.preparation,
                self._workers,
                pool.settle,
                self._cache,
            )
            with closing(reading):
                for task, found in reading:
                    if isinstance(found, MachineError):
                        raise found
                    if isinstance(found, Problem):
                        ended(task, found)
                        continue
                    one = self.mapper.prepared(task, found)
                    waiting.setdefault(one.folds, []).append(one)
                    if len(waiting[one.folds]) == self._size:
                        submit(one.folds)
            for folds in list(waiting):
                submit(folds)

    def check(self, mapped: Iterable[MappedScan]) -> None:
        """Run the sanity checks; if they fail to run, the maps are still complete."""
        try:
            identity = run_identity(self._run.manifest)
            check_folder(
                self._folder.out,
                self._run,
                identity,
                mapped,
                self.mapper.explainer,
                self._cache,
            )
        except OSError:
            raise
        except Exception as error:
            logger.debug("checking the maps failed", exc_info=True)
            logger.warning(
                "the maps are complete, but could not be checked (%s: %s)",
                type(error).__name__,
                error,
            )


def _one_thread_of_blas() -> AbstractContextManager[object]:
    """Limit BLAS: the products of resampling are small, and its threads spin between them."""
    limits: AbstractContextManager[object] = threadpool_limits(1, user_api="blas")
    return limits


def fast_batch(grid: tuple[int, ...], device: str) -> int:
    """Return how many images of a grid a device explains fastest at once."""
    voxels = _VOXELS_AT_ONCE if device == "cpu" else _VOXELS_AT_ONCE_ON_GPU
    return max(1, min(_MOST_AT_ONCE, voxels // prod(grid)))
