"""Map every scan of a cohort; scans that fail are listed, and an interrupted job can resume."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from hrcam.artifacts.manifest import fit_warnings, run_identity, warning_lines
from hrcam.artifacts.maps_folder import MapsWriter, ScanPlace
from hrcam.artifacts.scan_record import MapInput, ScanRecord, encode_record, map_versions
from hrcam.cohort.image import Image
from hrcam.cohort.problems import ImageError, Problem, Reason
from hrcam.cohort.reading import read_scan
from hrcam.cohort.scan import Scan
from hrcam.cohort.voxel_hash import voxel_hash
from hrcam.errors import HRCAMError, InputError, MachineError, machine_error
from hrcam.explainer import HRCAM
from hrcam.mapping.encoding import encode_map, suffix_of
from hrcam.mapping.ensemble import explain_image
from hrcam.mapping.names import bids_labels, bids_scan_names, name_beside
from hrcam.mapping.overlay import encode_overlay
from hrcam.sanity.check_folder import MappedScan, by_chance, check_folder
from hrcam.training.config import Hardware
from hrcam.training.run import Run

logger = logging.getLogger(__name__)

Result = TypeVar("Result")


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
    shard: tuple[int, int] | None = None,
    refused: Sequence[Problem] = (),
    progress: bool = True,
) -> MapReport:
    """Write the maps of scans, each in the space of its own image.

    A scan of the training cohort is mapped by the fold that was not trained on it, a new scan by
    all folds together. A scan whose name other images have in the folder gets a name of its own.
    The folder is a BIDS derivative: for each scan its maps as NIfTI (``.npy``
    and a colour picture if the image is neither NIfTI nor DICOM) and a JSON record, written last;
    ``maps.tsv`` and ``failures.tsv`` list all scans, and ``sanity.json`` has the sanity checks of
    the maps (`hrcam.sanity.check_folder`). All files are written atomically. Repeat the call to map
    only what is missing or out of date.

    Parameters
    ----------
    run
        A finished training.
    scans
        The scans to map. Labels are recorded but not used.
    out
        Output folder: new, empty, or of an earlier call with the same run.
    classes
        Name of the class to explain; None for the predicted class of each scan.
    shard
        (3, 10) maps the third of ten parts. Jobs of different parts may run in parallel; the job
        of the first part checks the maps.
    refused
        Problems of the table, listed with the failures.
    progress
        Show a progress bar on a terminal.

    Raises
    ------
    InputError
        If the class or the shard does not exist, the scans lack images that the network needs, or
        the folder has other content.
    LoadError
        If the run is damaged.
    MachineError
        If memory, a device or a disk fails; what is mapped stays.
    OSError
        If a map cannot be written.
    """
    wanted = _class_index(run, classes)
    names = bids_scan_names([scan.name for scan in scans])
    if len(names) < len(scans):
        raise InputError("two scans have the same name: give each its own")
    ordered = [with_channels_of(run, scan) for scan in scans]
    _check_shard(shard)
    identity = run_identity(run.manifest)
    folder = MapsWriter(Path(out), identity)
    ordered = [_beside_others(scan, names[scan.name], folder, identity) for scan in ordered]
    names = bids_scan_names([scan.name for scan in ordered])
    part = ordered if shard is None else ordered[shard[0] - 1 :: shard[1]]
    refused = [problem for problem in refused if problem.refused]
    if shard is None:  # otherwise they may be of a job that is running
        folder.remove_partials()
    folder.write_refused_rows(refused, [scan.name for scan in ordered])
    for line in warning_lines(run.manifest):
        logger.warning("warning of the training: %s", line)
    mapper = _Mapper(run, wanted, bids_labels(run.classes))
    done = skipped = 0
    failed = list(refused)
    try:
        for scan in tqdm(part, desc="mapping", disable=None if progress else True, leave=False):
            place = folder.place(names[scan.name])
            source = _input(scan, identity)
            if folder.is_done(place, source, classes):
                skipped += 1
                continue
            folder.clear(place, source)
            outcome = mapper.files_of(scan, place, source)
            if isinstance(outcome, Problem):
                folder.write_failure(outcome)
                failed.append(outcome)
            else:
                folder.write(scan.name, outcome)
                done += 1
    finally:
        folder.write_tables(run.classes)
    if shard is None or shard[0] == 1:
        mapped = _mapped(folder, part, names, identity, classes)
        mapper.check(folder.out, identity, mapped)
    logger.info("mapped %d scans, %d were mapped already, %d failed", done, skipped, len(failed))
    return MapReport(done, skipped, tuple(failed))


class _Mapper:
    """Maps a scan and encodes its files."""

    def __init__(self, run: Run, wanted: int | None, labels: Mapping[str, str]) -> None:
        self._run, self._wanted, self._labels = run, wanted, labels
        self._explainer: Callable[[int], HRCAM] = cache(self._load)

    def files_of(
        self, scan: Scan, place: ScanPlace, source: MapInput
    ) -> dict[Path, bytes] | Problem:
        """Return the files of a scan, the record last, or what is wrong with it."""
        image = self._attempt(scan, lambda: read_scan(scan))
        if isinstance(image, Problem):
            return image
        content = voxel_hash(image)
        folds, seen = self._run.folds_for(scan, content)
        explainers = [self._explainer(fold) for fold in folds]
        provenance = {
            **vars(source),
            "voxel_hash": content,
            "folds": folds,
            "seen_in_training": seen,
            "warnings": tuple(fit_warnings(self._run.manifest, folds)),
            "grid": self._run.preparation.shape,
            "grid_spacing": self._run.preparation.spacing,
        }
        return self._attempt(scan, lambda: self._map(scan, image, explainers, place, provenance))

    def _map(
        self,
        scan: Scan,
        image: Image,
        explainers: Sequence[HRCAM],
        place: ScanPlace,
        provenance: Mapping[str, Any],
    ) -> dict[Path, bytes]:
        classes, suffix = self._run.classes, suffix_of(image)
        prepared = self._run.preparation.apply(image)
        maps = explain_image(explainers, prepared.voxels, self._wanted)
        native = {kind: prepared.to_native(values) for kind, values in maps.maps.items()}
        label = self._labels[classes[maps.explained]]
        first = next(iter(scan.images.values()))
        files = {kind: place.map(label, kind, suffix) for kind in native}
        content = {files[kind]: encode_map(native[kind], image, first) for kind in native}
        if suffix == ".npy" and len(image.shape) == 2:
            files["overlay"] = place.map(label, "overlay", ".png")
            content[files["overlay"]] = encode_overlay(_shown(image, scan), native["pattern"])
        record = ScanRecord(
            **provenance,
            map_class=classes[maps.explained],
            class_index=maps.explained,
            predicted=classes[maps.predicted],
            predictor=maps.predictor,
            probabilities=dict(zip(classes, maps.probabilities.tolist(), strict=True)),
            logit=maps.logit,
            bias=maps.bias,
            level_contributions=maps.level_contributions,
            shape=image.shape,
            files=files,
            versions=map_versions(),
        )
        return {**content, place.record(label): encode_record(record)}

    def check(self, out: Path, identity: Mapping[str, Any], mapped: Iterable[MappedScan]) -> None:
        """Run the sanity checks; if they fail to run, the maps are still complete."""
        try:
            check_folder(out, self._run, identity, mapped, self._explainer)
        except OSError:
            raise
        except Exception as error:
            logger.debug("checking the maps failed", exc_info=True)
            logger.warning(
                "the maps are complete, but could not be checked (%s: %s)",
                type(error).__name__,
                error,
            )

    def _load(self, fold: int) -> HRCAM:
        explainer = self._run.explainer(fold)
        explainer.model.to(Hardware().device)
        return explainer

    def _attempt(self, scan: Scan, step: Callable[[], Result]) -> Result | Problem:
        """Run a step, or return the problem of this scan; other scans are still mapped."""
        file = ", ".join(str(path) for path in scan.images.values())
        try:
            return step()
        except MachineError:
            raise
        except ImageError as error:
            return Problem(scan.name, file, error.reason, error.message, error.advice)
        except HRCAMError as error:
            advice = "see `hrcam check`, or leave the scan out"
            return Problem(scan.name, file, Reason.UNSUPPORTED, str(error), advice)
        except Exception as error:  # a bug here or in a library
            _raise_if_of_machine(error)
            logger.debug("mapping %s failed", scan.name, exc_info=True)
            message = f"mapping failed unexpectedly, {type(error).__name__}: {error}"
            advice = "see the traceback with logging at DEBUG, and report it with the file's header"
            return Problem(scan.name, file, Reason.UNREADABLE, message, advice)


def _raise_if_of_machine(error: Exception) -> None:
    """End the job where memory, a device or a disk fails: the next scan would fare no better."""
    failed = machine_error(error)
    if failed is not None:
        raise failed from error


def _shown(image: Image, scan: Scan) -> NDArray[np.float32]:
    """Return the first image of a scan as grey values."""
    colours = 3 if scan.colour == "rgb" else 1
    grey: NDArray[np.float32] = image.voxels[:colours].mean(0)
    return grey


def _mapped(
    folder: MapsWriter,
    scans: Sequence[Scan],
    names: Mapping[str, str],
    identity: Mapping[str, Any],
    wanted: str | None,
) -> Iterator[MappedScan]:
    """Yield the scans that are mapped, in a pseudo-random order."""
    for scan in by_chance(scans):
        record = folder.record(folder.place(names[scan.name]), _input(scan, identity), wanted)
        if record is not None:
            yield MappedScan(scan, record)


def _input(scan: Scan, identity: Mapping[str, Any]) -> MapInput:
    images = tuple(scan.images.values())
    return MapInput.of(scan.name, scan.participant, scan.label, images, identity)


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
    if not folder.is_of_another(folder.place(name), source):
        return scan
    renamed = replace(scan, name=name_beside(scan.name, source.sources))
    logger.warning(
        "the folder has maps of another scan called %s: %s is called %s",
        scan.name,
        source.sources[0],
        renamed.name,
    )
    return renamed
