"""Map every scan of a cohort; scans that fail are listed, and an interrupted job can resume."""

import logging
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

from hrcam.artifacts.cache import Cache
from hrcam.artifacts.manifest import run_identity, warning_lines
from hrcam.artifacts.map_names import ScanPlace
from hrcam.artifacts.maps_folder import MapsWriter
from hrcam.artifacts.scan_claims import ScanClaims
from hrcam.artifacts.scan_record import Form, MapInput
from hrcam.artifacts.source_dataset import datasets_of
from hrcam.cluster import Cluster
from hrcam.cohort.problems import Problem
from hrcam.cohort.scan import Scan
from hrcam.errors import InputError
from hrcam.mapping.mapper import Task
from hrcam.mapping.names import bids_datatype, bids_scan_names, name_beside
from hrcam.mapping.request import MapRequest
from hrcam.mapping.stages import Engine, Stages
from hrcam.mapping.windows import MappingOrder, Windows
from hrcam.progress import Progress
from hrcam.sanity.check_folder import MappedScan, by_chance
from hrcam.training.classifier import check_hardware
from hrcam.training.config import Hardware
from hrcam.training.run import Run
from hrcam.training.tasks import Regression

logger = logging.getLogger(__name__)

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
    unlike
        Names of the scans that are unlike those that the networks learnt from.
    """

    done: int
    skipped: int
    failed: tuple[Problem, ...]
    unlike: tuple[str, ...]


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
    cluster: Cluster | None = None,
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
    cluster
        Maps the scans; its workers have to see the run, the images and the output folder under the
        same paths. None to map on this machine.
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
    request = MapRequest(classes, all_classes, form or Form())
    hardware = hardware or Hardware()
    if request.form.dicom:
        if not run.task.classes:
            raise InputError(
                f"the run predicts {', '.join(run.classes)}, a number or several labels, and DICOM "
                "objects are of classes: map without them"
            )
        import hrcam.clinical  # noqa: F401 - it says what is missing, before the work
    request.class_index(run)
    names = bids_scan_names([scan.name for scan in scans])
    if len(names) < len(scans):
        raise InputError("two scans have the same name: give each its own")
    ordered = [with_channels_of(run, scan) for scan in scans]
    _check_shard(shard)
    if cluster is None:
        check_hardware(hardware)
    if batch_size is not None and batch_size < 1:
        raise InputError(f"batch_size is {batch_size}: it must be 1 or more")
    identity = run_identity(run.manifest)
    images = (image for scan in scans for image in scan.images.values())
    place = Path(out) if cluster is None else Path(out).absolute()
    folder = MapsWriter(place, identity, datasets_of(images), authors)
    ordered = [_beside_others(scan, names[scan.name], folder) for scan in ordered]
    names = bids_scan_names([scan.name for scan in ordered])
    part = [
        scan
        for scan, given in zip(ordered, scans, strict=True)
        if only is None or given.name in only
    ]
    part = part if shard is None else part[shard[0] - 1 :: shard[1]]
    refused = [problem for problem in refused if problem.refused]
    engine = _engine(run, folder, request, batch_size, hardware, cache, cluster, len(part))

    def is_done(place: ScanPlace, source: MapInput) -> bool:
        return request.is_met(run, folder, place, source)

    with ScanClaims(folder.out) as claims:
        if shard is None and claims.is_alone():
            folder.remove_partials()
        folder.write_refused_rows(refused, [scan.name for scan in ordered])
        for line in warning_lines(run.manifest):
            logger.warning("warning of the training: %s", line)
        with Progress(len(part), "mapping", "scans", shown=progress) as shown:
            tally = _Tally(len(part), shown)

            def ended(task: Task, problem: Problem | None) -> None:
                if problem is not None:
                    folder.clear(task.place, task.source)
                    folder.write_failure(problem)
                claims.release(task.scan.name)
                tally.take(problem)

            left = part
            try:
                while left:
                    before, others = tally.ended, list[Scan]()
                    tasks = _tasks(
                        left, folder, names, identity, request.form, is_done, claims, tally, others
                    )
                    first = next(tasks, None)
                    if first is not None:
                        engine.choose_overlay_limit(ordered)
                        engine.map(chain([first], tasks), ended, tally.left)
                    left = others
                    if left and tally.ended == before:
                        time.sleep(_PATIENCE)
            except KeyboardInterrupt:
                kept = tally.done + tally.skipped
                logger.info("the maps of %d scans are kept; the same command goes on", kept)
                raise
            finally:
                folder.write_tables(() if isinstance(run.task, Regression) else run.classes)
        if (shard is None or shard[0] == 1) and claims.take(_CHECKS):
            mapped = _mapped(folder, part, names, identity, classes, run.reference)
            engine.check(mapped)
    failed = (*refused, *tally.failed_in_order(part))
    logger.info(
        "mapped %d scans, %d were mapped already, %d failed", tally.done, tally.skipped, len(failed)
    )
    found = folder.unlike_scans()
    unlike = tuple(scan.name for scan in part if scan.name in found)
    return MapReport(tally.done, tally.skipped, failed, unlike)


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

    def take(self, problem: Problem | None) -> None:
        """Count a scan: it was mapped, or has a problem."""
        if problem is None:
            self.done += 1
        else:
            self.failed.append(problem)
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


def _engine(
    run: Run,
    folder: MapsWriter,
    request: MapRequest,
    batch_size: int | None,
    hardware: Hardware,
    cache: Cache | None,
    cluster: Cluster | None,
    scans: int,
) -> Engine:
    """Return what maps: this machine or a cluster."""
    if cluster is None:
        return Stages(run, folder, request, batch_size, hardware, cache, scans)
    order = MappingOrder(
        run.folder.absolute(),
        run_identity(run.manifest)["Manifest"],
        folder.out,
        request,
        batch_size,
        hardware.accelerator,
        cache and cache.absolute(),
    )
    return Windows(cluster, order, run)


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


def _beside_others(scan: Scan, name: str, folder: MapsWriter) -> Scan:
    """Return a scan under a name that no other images have in the folder: maps are never lost.

    ``A/series-3`` and ``B/series-3`` are called alike when they are mapped one after the other.
    """
    images = tuple(path.absolute() for path in scan.images.values())
    if not folder.is_of_another(_place(folder, name, scan), images):
        return scan
    renamed = replace(scan, name=name_beside(scan.name, images))
    logger.warning(
        "the folder has maps of another scan called %s: %s is called %s",
        scan.name,
        images[0],
        renamed.name,
    )
    return renamed
