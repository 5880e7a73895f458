"""From scans that were read to the files of their maps."""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from hrcam.artifacts.manifest import fit_warnings, run_identity
from hrcam.artifacts.map_names import ScanPlace
from hrcam.artifacts.scan_record import MapInput, ScanRecord, encode_record, map_versions
from hrcam.cohort.problems import Problem
from hrcam.cohort.scan import Scan
from hrcam.errors import MachineError, machine_error
from hrcam.explainer import HRCAM
from hrcam.findings import Findings
from hrcam.mapping.encoding import Title, encode_map, suffix_of
from hrcam.mapping.ensemble import GridMaps, explain_all_classes, explain_batch
from hrcam.mapping.overlay import encode_overlay
from hrcam.mapping.reading import failure_of
from hrcam.mapping.request import MapRequest
from hrcam.mapping.scan_findings import find_in_scan, finding_files
from hrcam.mapping.scan_input import input_of_scan
from hrcam.preparation.prepared_scan import PreparedScan
from hrcam.training.run import Run

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Task:
    """A scan to map.

    Attributes
    ----------
    scan
        The scan.
    place
        Where its files go.
    source
        Its images as they were before they were read.
    standing
        Classes whose maps are there already and stand for the scan: not to be written again as
        those of further classes.
    """

    scan: Scan
    place: ScanPlace
    source: MapInput
    standing: frozenset[str] = frozenset()


@dataclass(frozen=True, eq=False)
class Prepared:
    """A scan that was read, and whose networks are known.

    Attributes
    ----------
    task, reading
        The scan.
    folds, seen
        As from `hrcam.training.run.Run.folds_for`.
    """

    task: Task
    reading: PreparedScan
    folds: tuple[int, ...]
    seen: bool


Files = Mapping[Path, bytes]


class Mapper:
    """Explains scans by the networks of a run, and encodes their files.

    Parameters
    ----------
    run
        The training.
    request
        Which maps are wanted.
    labels
        BIDS label of each class.
    device
        Of the networks.
    turns
        Taken while the device computes.
    """

    def __init__(
        self,
        run: Run,
        request: MapRequest,
        labels: Mapping[str, str],
        device: torch.device,
        turns: AbstractContextManager[object],
    ) -> None:
        self._run, self._form, self._labels = run, request.form, labels
        self._wanted, self._all_classes = request.class_index(run), request.all_classes
        self._reference = None if run.reference is None else run.classes.index(run.reference)
        self._device, self._turns = device, turns
        self._told_of_others = False
        self.overlay_limit: float | None = None
        """Value of the pattern with the strongest colour in overlays; None to draw none."""
        self.explainer: Callable[[int], HRCAM] = cache(self._load)
        """Gives the explainer of a fold, loaded once; to be called from one thread."""

    def prepared(self, task: Task, reading: PreparedScan) -> Prepared:
        """Find the networks that are to map a scan."""
        folds, seen = self._run.folds_for(task.scan, reading.voxel_hash)
        return Prepared(task, reading, folds, seen)

    def pattern_of(self, scan: Scan, reading: PreparedScan) -> NDArray[np.float32] | None:
        """Return the pattern of one scan on the network's grid; None if it cannot be explained.

        Raises
        ------
        MachineError
            If memory or the device fails.
        """
        folds, _ = self._run.folds_for(scan, reading.voxel_hash)
        explainers = [self.explainer(fold) for fold in folds]
        voxels = reading.prepared.voxels[None]
        try:
            with self._turns:
                maps = self._first(explainers, voxels)
        except Exception as error:
            _problem_of(scan, error)
            return None
        return maps[0].maps["pattern"]

    def files_of(
        self, batch: Sequence[Prepared], explainers: Sequence[HRCAM]
    ) -> list[list[Files] | Problem]:
        """Map scans of the same folds in one pass.

        Returns
        -------
        For each scan its files, of each class the record last, or what is wrong with it.

        Raises
        ------
        MachineError
            If memory or the device fails.
        """
        try:
            voxels = np.stack([each.reading.prepared.voxels for each in batch])
            with self._turns:
                explained = self._explained(explainers, voxels)
        except Exception as error:
            if len(batch) == 1 or machine_error(error) is not None:
                return [_problem_of(batch[0].task.scan, error)]
            # One of them is to blame: alone, the others are mapped.
            return [self.files_of([each], explainers)[0] for each in batch]
        return [self._attempt(each, maps) for each, maps in zip(batch, explained, strict=True)]

    def _explained(
        self, explainers: Sequence[HRCAM], voxels: NDArray[np.float32]
    ) -> list[list[GridMaps]]:
        if self._all_classes:
            return explain_all_classes(
                explainers, voxels, self._reference, self._run.task.activated
            )
        return [[maps] for maps in self._first(explainers, voxels)]

    def _first(self, explainers: Sequence[HRCAM], voxels: NDArray[np.float32]) -> list[GridMaps]:
        return explain_batch(
            explainers, voxels, self._wanted, self._reference, self._run.task.activated
        )

    def _attempt(self, scan: Prepared, found: Sequence[GridMaps]) -> list[Files] | Problem:
        try:
            classes, standing = self._run.classes, scan.task.standing
            return [
                self.encoded(scan, maps, maps is found[0])
                for maps in found
                if maps is found[0] or classes[maps.explained] not in standing
            ]
        except Exception as error:
            return _problem_of(scan.task.scan, error)

    def encoded(self, one: Prepared, maps: GridMaps, primary: bool = True) -> Files:
        """Find the regions of a scan's maps for one class, and encode all files, the record last.

        Raises
        ------
        InputError
            If an image has changed since it was read.
        """
        run, reading, place = self._run, one.reading, one.task.place
        classes, suffix = run.classes, suffix_of(reading.space, self._form.data_type)
        native = {
            kind: reading.prepared.to_native(values)
            for kind, values in maps.maps.items()
            if kind in self._form.kinds
        }
        label = self._labels[classes[maps.explained]]
        first = next(iter(one.task.scan.images.values()))
        files = {kind: place.map(label, kind, suffix) for kind in native}
        encoded = {
            kind: encode_map(values, reading.space, first, Title(kind, label), self._form.data_type)
            for kind, values in native.items()
        }
        content: dict[Path, bytes] = {files[kind]: each.content for kind, each in encoded.items()}
        map_class = classes[maps.explained]
        # Without classes there are no controls, and nothing that a region would be of.
        found = (
            find_in_scan(run, one.task.scan, reading, maps, native) if run.task.classes else None
        )
        seen = input_of_scan(run, reading, one.folds, maps.distances)
        if found is not None:
            sources = one.task.source.sources
            of_findings = finding_files(found, place, label, map_class, reading, sources)
            for kind, (path, each) in of_findings.items():
                files[kind], content[path] = path, each
        if reading.picture is not None and self.overlay_limit is not None:
            files["overlay"] = place.map(label, "overlay", ".png")
            content[files["overlay"]] = encode_overlay(
                reading.picture,
                native["pattern"],
                self.overlay_limit,
                None if found is None else found.findings.labels,
            )
        if self._form.dicom and found is not None:
            objects = self._objects(one, maps, native["pattern"], found.findings, seen.unlike)
            for kind, each in objects.items():
                files[kind] = place.map(label, kind, ".dcm")
                content[files[kind]] = each
        record = ScanRecord(
            **vars(one.task.source),
            voxel_hash=reading.voxel_hash,
            folds=one.folds,
            seen_in_training=one.seen,
            warnings=tuple(fit_warnings(run.manifest, one.folds)),
            grid=run.preparation.shape,
            grid_spacing=run.preparation.spacing,
            map_class=map_class,
            class_index=maps.explained,
            prediction=run.task.prediction(maps.outputs),
            predictor=maps.predictor,
            logit=maps.logit,
            bias=maps.bias,
            level_contributions=maps.level_contributions,
            shape=reading.space.shape,
            files=files,
            versions=map_versions(),
            form=self._form,
            scaling={
                kind: each.scaling for kind, each in encoded.items() if each.scaling is not None
            },
            reference=run.reference,
            primary=primary,
            findings=None if found is None else found.about,
            input=seen,
        )
        return {**content, place.record(label): encode_record(record)}

    def _objects(
        self,
        one: Prepared,
        maps: GridMaps,
        pattern: NDArray[np.float32],
        findings: Findings,
        unlike: bool | None,
    ) -> dict[str, bytes]:
        """Encode the DICOM objects of a map, if its image is DICOM."""
        from hrcam.clinical import About, encode_objects

        if one.reading.space.format != "dicom":
            if not self._told_of_others:
                self._told_of_others = True
                logger.warning(
                    "%s is not DICOM: such scans have no DICOM objects", one.task.scan.name
                )
            return {}
        classes = self._run.classes
        about = About(
            map_class=classes[maps.explained],
            predicted=classes[maps.predicted],
            probabilities=dict(zip(classes, maps.outputs.tolist(), strict=True)),
            training=run_identity(self._run.manifest)["Manifest"],
            version=map_versions()["hrcam"],
            folds=one.folds,
            seen_in_training=one.seen,
            unlike_training=unlike,
        )
        first = next(iter(one.task.scan.images.values()))
        return encode_objects(first, pattern, about, findings)

    def _load(self, fold: int) -> HRCAM:
        explainer = self._run.explainer(fold)
        explainer.model.to(self._device)
        return explainer


def _problem_of(scan: Scan, error: Exception) -> Problem:
    """Describe an error as that of a scan, or end the job: the next scan would fare no better."""
    found = failure_of(scan, error)
    if isinstance(found, MachineError):
        raise found from error
    return found
