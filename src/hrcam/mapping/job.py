"""Map every scan of a cohort; scans that fail are listed, and an interrupted job can resume."""

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import chain
from math import prod
from pathlib import Path
from typing import Any

import joblib

from hrcam.artifacts.cache import Cache
from hrcam.artifacts.manifest import run_identity, warning_lines
from hrcam.artifacts.map_names import ScanPlace
from hrcam.artifacts.maps_folder import MapsWriter
from hrcam.artifacts.scan_claims import ScanClaims
from hrcam.artifacts.scan_record import Form, MapInput
from hrcam.artifacts.source_dataset import datasets_of
from hrcam.cohort.problems import Problem
from hrcam.cohort.scan import Scan
from hrcam.errors import InputError, MachineError
from hrcam.explainer import HRCAM
from hrcam.mapping.disk_space import DiskSpace
from hrcam.mapping.mapper import Mapper, Prepared, Task
from hrcam.mapping.names import bids_datatype, bids_labels, bids_scan_names, name_beside
from hrcam.mapping.overlay_scale import overlay_limit
from hrcam.mapping.pool import BoundedPool
from hrcam.mapping.reading import read_ahead
from hrcam.progress import Progress
from hrcam.sanity.check_folder import MappedScan, by_chance, check_folder
from hrcam.training.classifier import check_hardware
from hrcam.training.config import Hardware
from hrcam.training.run import Run

logger = logging.getLogger(__name__)

# A batch of this many voxels fills the caches of a core; larger ones are slower there.
_VOXELS_AT_ONCE, _VOXELS_AT_ONCE_ON_GPU = 2**18, 2**21
_MOST_AT_ONCE = 64
_CHECKS = ""
"""Claim on the checks of the maps; scans have names."""
_PATIENCE = 0.5  # seconds between looks at the scans of another job


@dataclass(frozen=True)
class MapReport:
    """Result of a mapping job.

    Attributes
    ----------
    done, skipped
        Number of scans that were mapped, and of those whose maps already existed.
    failed
        Scans that could not be mapped, and refused rows of the table.
    """

    done: int
    skipped: int
    failed: tuple[Problem, ...]


def map_scans(
    run: Run,
    scans: Sequence[Scan],
    out: str | Path,
    *,
    classes: str | None = None,
    all_classes: bool = False,
    form: Form | None = None,
    only: Collection[str] | None = None,
    shard: tuple[int, int] | None = None,
    refused: Sequence[Problem] = (),
    authors: Sequence[str] = (),
    batch_size: int | None = None,
    hardware: Hardware | None = None,
    cache: Cache | None = None,
    progress: bool = True,
) -> MapReport:
    """Write the maps of scans, each in the space of its own image.

    A scan of the training cohort is mapped by the fold that was not trained on it, a new scan by
    all folds together. A scan whose name other images have in the folder gets a name of its own.
    The folder is a BIDS derivative: for each scan its maps as NIfTI (of a picture PNG or ``.npy``,
    and one in colour) and a JSON record, written last; ``overlays.json`` has the one colour scale;
    ``maps.tsv`` and ``failures.tsv`` list all scans, and ``sanity.json`` has the sanity checks of
    the maps (`hrcam.sanity.check_folder`). All files are written atomically. Repeat the call to map
    only what is missing or out of date. Several calls at once, also on other machines, share the
    scans, and each returns when all are done.

    Parameters
    ----------
    run
        A finished training.
    scans
        The scans to map. Labels are recorded but not used.
    out
        Output folder: new, empty, or of an earlier call with the same run.
    classes
        Name of the class to explain; None for the predicted class of each scan, but where that is
        the run's reference class the most probable other one.
    all_classes
        Write the maps of the other classes too, whose records are not primary: tables of groups,
        overlays' scale, checks and reports take the maps that would be there without them.
    form
        Which maps are written, and how; None for all, in whole numbers with a scale.
    only
        Names of the scans to map; None for all. The others keep the maps that they have.
    shard
        (3, 10) maps the third of ten parts. Jobs of different parts may run in parallel; the job
        of the first part checks the maps.
    refused
        Problems of the table, listed with the failures.
    authors
        Of the maps, for the description of the folder; if there are none, those of the BIDS data
        sets that the images are from.
    batch_size
        Scans that the network explains at once; None for as many as are fast. A map may differ
        from that of a batch of one in the last digits of single precision.
    hardware
        Device, and number of workers: with one, scans are mapped one after the other. With several,
        so many processes read scans ahead, and so many threads explain them (one at a time on a
        GPU), encode and write, and a file whose reading kills its process is listed as failed.
        Elsewhere than on Linux, a script that uses several must be guarded by ``if __name__ ==
        "__main__"``, as for every pool of processes.
    cache
        Of prepared scans, so that none is decoded twice; None to keep none.
    progress
        Show how far the job is: a bar on a terminal, else a line in the log every 30 seconds.

    Raises
    ------
    InputError
        If the class, the shard or the device does not exist, the scans lack images that the network
        needs, or the folder has other content.
    LoadError
        If the run is damaged.
    MachineError
        If memory, a device or a disk fails; what is mapped stays.
    MissingExtraError
        If DICOM objects are asked for, and the extra ``dicom`` is not installed.
    OSError
        If a map cannot be written.
    """
    form, hardware = form or Form(), hardware or Hardware()
    if form.dicom:
        import hrcam.clinical  # noqa: F401 - it says what is missing, before the work
    wanted = _class_index(run, classes)
    if all_classes and classes is not None:
        raise InputError(f"all classes are asked for, and {classes!r} alone: leave out one of them")
    names = bids_scan_names([scan.name for scan in scans])
    if len(names) < len(scans):
        raise InputError("two scans have the same name: give each its own")
    ordered = [with_channels_of(run, scan) for scan in scans]
    _check_shard(shard)
    check_hardware(hardware)
    if batch_size is not None and batch_size < 1:
        raise InputError(f"batch_size is {batch_size}: it must be 1 or more")
    identity = run_identity(run.manifest)
    images = (image for scan in scans for image in scan.images.values())
    folder = MapsWriter(Path(out), identity, datasets_of(images), authors)
    ordered = [_beside_others(scan, names[scan.name], folder, identity) for scan in ordered]
    names = bids_scan_names([scan.name for scan in ordered])
    part = [
        scan
        for scan, given in zip(ordered, scans, strict=True)
        if only is None or given.name in only
    ]
    part = part if shard is None else part[shard[0] - 1 :: shard[1]]
    refused = [problem for problem in refused if problem.refused]
    workers = max(1, min(hardware.workers or joblib.cpu_count(), len(part)))
    device = hardware.device
    turns = threading.Semaphore(workers if device.type == "cpu" else 1)
    mapper = Mapper(run, wanted, all_classes, form, bids_labels(run.classes), device, turns)
    size = batch_size or _batch_size(run.preparation.shape, device.type)

    def is_done(place: ScanPlace, source: MapInput) -> bool:
        further = run.classes if all_classes else ()
        return folder.is_done(place, source, classes, form, run.reference, further)

    with ScanClaims(folder.out) as claims:
        if shard is None and claims.is_alone():
            folder.remove_partials()
        folder.write_refused_rows(refused, [scan.name for scan in ordered])
        for line in warning_lines(run.manifest):
            logger.warning("warning of the training: %s", line)
        with Progress(len(part), "mapping", "scans", shown=progress) as shown:
            tally = _Tally(len(part), shown)
            left = part
            try:
                while left:
                    before, others = tally.ended, list[Scan]()
                    tasks = _tasks(
                        left, folder, names, identity, form, is_done, claims, tally, others
                    )
                    first = next(tasks, None)
                    if first is not None:
                        mapper.overlay_limit = overlay_limit(
                            folder.out, ordered, run.preparation, mapper, workers, cache
                        )
                        tasks = chain([first], tasks)
                        _map_all(tasks, run, mapper, folder, claims, tally, workers, size, cache)
                    left = others
                    if left and tally.ended == before:
                        time.sleep(_PATIENCE)
            except KeyboardInterrupt:
                kept = tally.done + tally.skipped
                logger.info("the maps of %d scans are kept; the same command goes on", kept)
                raise
            finally:
                folder.write_tables(run.classes)
        if (shard is None or shard[0] == 1) and claims.take(_CHECKS):
            mapped = _mapped(folder, part, names, identity, classes, run.reference)
            _check(folder.out, run, identity, mapped, mapper.explainer, cache)
    failed = (*refused, *tally.failed_in_order(part))
    logger.info(
        "mapped %d scans, %d were mapped already, %d failed", tally.done, tally.skipped, len(failed)
    )
    return MapReport(tally.done, tally.skipped, failed)


@dataclass
class _Tally:
    """What has become of the scans so far."""

    total: int
    progress: Progress
    done: int = 0
    skipped: int = 0
    failed: list[Problem] = field(default_factory=list)

    @property
    def ended(self) -> int:
        return self.done + self.skipped + len(self.failed)

    @property
    def left(self) -> int:
        return self.total - self.ended

    def skip(self) -> None:
        self.skipped += 1
        self.progress.skip()

    def take(self, outcomes: Iterable[Problem | None]) -> None:
        """Count scans: each was mapped, or has a problem."""
        for outcome in outcomes:
            if outcome is None:
                self.done += 1
            else:
                self.failed.append(outcome)
            self.progress.update()

    def failed_in_order(self, scans: Sequence[Scan]) -> list[Problem]:
        places = {scan.name: place for place, scan in enumerate(scans)}
        return sorted(self.failed, key=lambda problem: places[problem.scan])


def _tasks(
    scans: Sequence[Scan],
    folder: MapsWriter,
    names: Mapping[str, str],
    identity: Mapping[str, Any],
    form: Form,
    is_done: Callable[[ScanPlace, MapInput], bool],
    claims: ScanClaims,
    tally: _Tally,
    others: list[Scan],
) -> Iterator[Task]:
    """Yield the scans that are to be mapped, just before each is read.

    Scans that another job is at work on are added to ``others``.
    """
    for scan in scans:
        place, source = _place(folder, names[scan.name], scan), _input(scan, identity)
        if is_done(place, source):
            tally.skip()
            continue
        if not claims.take(scan.name):
            others.append(scan)
            continue
        if is_done(place, source):  # just now, by another job
            claims.release(scan.name)
            tally.skip()
            continue
        folder.clear(place, source)
        yield Task(scan, place, source, folder.standing(place, source, form))


def _map_all(
    tasks: Iterator[Task],
    run: Run,
    mapper: Mapper,
    folder: MapsWriter,
    claims: ScanClaims,
    tally: _Tally,
    workers: int,
    size: int,
    cache: Cache | None,
) -> None:
    """Read, explain, encode and write scans, each step ahead of the next by a few scans."""
    space = DiskSpace(folder.out, tally.left)

    def map_batch(batch: Sequence[Prepared], explainers: Sequence[HRCAM]) -> list[Problem | None]:
        outcomes: list[Problem | None] = []
        for one, files in zip(batch, mapper.files_of(batch, explainers), strict=True):
            if isinstance(files, Problem):
                folder.write_failure(files)
                outcomes.append(files)
            else:
                space.check(sum(len(each) for of_class in files for each in of_class.values()))
                for of_class in files:
                    folder.write(one.task.scan.name, of_class)
                outcomes.append(None)
            claims.release(one.task.scan.name)
        return outcomes

    # One batch for each set of networks: all have the same grid.
    waiting: dict[tuple[int, ...], list[Prepared]] = {}
    with BoundedPool(workers, tally.take) as pool:

        def submit(folds: tuple[int, ...]) -> None:
            # In this thread, so that each network is loaded once.
            explainers = [mapper.explainer(fold) for fold in folds]
            pool.submit(map_batch, waiting.pop(folds), explainers)

        reading = read_ahead(
            tasks, lambda task: task.scan, run.preparation, workers, pool.settle, cache
        )
        with closing(reading):
            for task, found in reading:
                if isinstance(found, MachineError):
                    raise found
                if isinstance(found, Problem):
                    folder.write_failure(found)
                    claims.release(task.scan.name)
                    tally.take([found])
                    continue
                one = mapper.prepared(task, found)
                waiting.setdefault(one.folds, []).append(one)
                if len(waiting[one.folds]) == size:
                    submit(one.folds)
        for folds in list(waiting):
            submit(folds)


def _check(
    out: Path,
    run: Run,
    identity: Mapping[str, Any],
    mapped: Iterable[MappedScan],
    explainer: Callable[[int], HRCAM],
    cache: Cache | None,
) -> None:
    """Run the sanity checks; if they fail to run, the maps are still complete."""
    try:
        check_folder(out, run, identity, mapped, explainer, cache)
    except OSError:
        raise
    except Exception as error:
        logger.debug("checking the maps failed", exc_info=True)
        logger.warning(
            "the maps are complete, but could not be checked (%s: %s)", type(error).__name__, error
        )


def _batch_size(grid: tuple[int, ...], device: str) -> int:
    voxels = _VOXELS_AT_ONCE if device == "cpu" else _VOXELS_AT_ONCE_ON_GPU
    return max(1, min(_MOST_AT_ONCE, voxels // prod(grid)))


def _mapped(
    folder: MapsWriter,
    scans: Sequence[Scan],
    names: Mapping[str, str],
    identity: Mapping[str, Any],
    wanted: str | None,
    reference: str | None,
) -> Iterator[MappedScan]:
    """Yield the scans that are mapped, in a pseudo-random order."""
    for scan in by_chance(scans):
        place, source = _place(folder, names[scan.name], scan), _input(scan, identity)
        record = folder.record(place, source, wanted, reference)
        if record is not None:
            yield MappedScan(scan, record)


def _place(folder: MapsWriter, name: str, scan: Scan) -> ScanPlace:
    return folder.place(name, bids_datatype(next(iter(scan.images.values()))))


def _input(scan: Scan, identity: Mapping[str, Any]) -> MapInput:
    images = tuple(scan.images.values())
    return MapInput.of(scan.name, scan.participant, scan.label, images, identity, scan.mask)


def _class_index(run: Run, name: str | None) -> int | None:
    if name is None:
        return None
    if name not in run.classes:
        raise InputError(f"there is no class {name!r}: choose one of {', '.join(run.classes)}")
    return run.classes.index(name)


def with_channels_of(run: Run, scan: Scan) -> Scan:
    """Return the scan with its images in the network's order, and its colours as in training.

    A single image may have any name.
    """
    if len(scan.images) == len(run.channels) == 1:
        images = dict(zip(run.channels, scan.images.values(), strict=True))
        return replace(scan, images=images, colour=run.preparation.colour)
    missing = [channel for channel in run.channels if channel not in scan.images]
    if missing:
        column = "image" if missing[0] == "image" else f"image_{missing[0]}"
        raise InputError(
            f"the network takes the images {', '.join(run.channels)}, and {scan.name} has no "
            f"{', '.join(missing)}: give a table with a column {column}"
        )
    images = {channel: scan.images[channel] for channel in run.channels}
    return replace(scan, images=images, colour=run.preparation.colour)


def _check_shard(shard: tuple[int, int] | None) -> None:
    if shard is None:
        return
    index, count = shard
    if not 1 <= index <= count:
        raise InputError(f"the shard is {index}/{count}: write 1/{count} to {count}/{count}")


def _beside_others(scan: Scan, name: str, folder: MapsWriter, identity: Mapping[str, Any]) -> Scan:
    """Return a scan under a name that no other images have in the folder: maps are never lost.

    ``A/series-3`` and ``B/series-3`` are called alike when they are mapped one after the other.
    """
    source = _input(scan, identity)
    if not folder.is_of_another(_place(folder, name, scan), source):
        return scan
    renamed = replace(scan, name=name_beside(scan.name, source.sources))
    logger.warning(
        "the folder has maps of another scan called %s: %s is called %s",
        scan.name,
        source.sources[0],
        renamed.name,
    )
    return renamed
