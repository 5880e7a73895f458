"""A finished training run: its network, explainer and splits, read from its folder."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any

from pydantic import ValidationError

from hrcam.artifacts.control_table import ControlRow
from hrcam.artifacts.distance_table import DistanceRow
from hrcam.artifacts.network_weights import read_weights
from hrcam.artifacts.plan_file import PLAN
from hrcam.artifacts.run_folder import EXPLAINER, NETWORK, fold_folder, read_fold, read_run
from hrcam.artifacts.run_tables import Prediction, SplitRow
from hrcam.cohort.scan import Scan
from hrcam.errors import InputError, LoadError
from hrcam.explainer import HRCAM
from hrcam.findings import ControlScores
from hrcam.preparation import Preparation
from hrcam.training.config import TrainingConfig
from hrcam.training.held_out_distances import HeldOutDistances
from hrcam.training.plan import Plan, read_kept_plan
from hrcam.training.run_network import network_of
from hrcam.training.tasks import Task, task_of


@dataclass(frozen=True)
class Run:
    """A training run that is complete.

    Attributes
    ----------
    folder
        Where it was written.
    config
        What was asked for, or planned where nothing was.
    network
        Name of the planned network; a fold may have another one, if several plans were tried.
    preparation
        From an image to the network's grid.
    classes
        Names of the network's outputs, in their order: the classes, or the value of a regression.
    folds
        Number of folds of all repeats, which are counted from 1; 1 where the table had its own
        split.
    manifest
        Versions, seed, hash of the inputs, duration.
    predictions
        One per scan that was tested, of each repeat, with probabilities in the order of
        ``classes``; none of a regression.
    splits
        Which folds are tested on each scan.
    controls
        How high the maps of control images are.
    distances
        How far the test scans of each fold lie from those that its network learnt from; none in a
        run of an earlier version.
    fingerprint
        The cohort in numbers; may be empty.
    """

    folder: Path
    config: TrainingConfig
    network: str
    preparation: Preparation
    classes: tuple[str, ...]
    folds: int
    manifest: dict[str, Any]
    predictions: tuple[Prediction, ...]
    splits: tuple[SplitRow, ...]
    controls: tuple[ControlRow, ...]
    distances: tuple[DistanceRow, ...]
    fingerprint: Mapping[str, Any]

    @classmethod
    def open(cls, folder: str | Path) -> "Run":
        """Read a run's folder.

        Raises
        ------
        LoadError
            If it is not one, the training is not complete, or a file is missing or damaged.
        """
        folder = Path(folder)
        try:
            found = read_run(folder)
            config = TrainingConfig.model_validate_json(json.dumps(found.config))
            task = task_of(config, tuple(map(str, found.manifest.get("classes", ()))))
            order = [found.classes.index(name) for name in task.classes]
            return cls(
                folder,
                config,
                str(found.config["network"]),
                Preparation.model_validate_json(json.dumps(found.preparation)),
                task.outputs,
                int(found.manifest["folds"]),
                dict(found.manifest),
                tuple(each.reordered(order) for each in found.predictions),
                found.splits,
                found.controls,
                found.distances,
                found.fingerprint,
            )
        except InputError as error:
            raise LoadError(str(error)) from error
        except (ValueError, KeyError, TypeError, ValidationError) as error:
            raise LoadError(
                f"{folder} is damaged ({type(error).__name__}: {error}); train again, into a new "
                "folder"
            ) from error

    @property
    def plan(self) -> Plan:
        """What was planned for the training.

        Raises
        ------
        LoadError
            If a version of hrcam trained the run that kept no plan, or the plan is damaged.
        """
        if not (self.folder / PLAN).exists():
            raise LoadError(
                f"there is no plan in {self.folder}, which an earlier version of hrcam trained: "
                "train again, into a new folder"
            )
        try:
            return read_kept_plan(self.folder / PLAN)
        except InputError as error:
            raise LoadError(str(error)) from error

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the images of each scan."""
        return self.preparation.channels

    @property
    def reference(self) -> str | None:
        """The class that the maps compare the others with; None for all other classes."""
        return self.task.reference

    @cached_property
    def task(self) -> Task:
        """What its networks have learnt."""
        return task_of(self.config, self.classes)

    def explainer(self, fold: int) -> HRCAM:
        """Return the explainer of a fold with its network, on the CPU, in evaluation mode.

        Raises
        ------
        LoadError
            If a file is missing or damaged.
        InputError
            If the library or the module that has the network is not installed.
        """
        place = fold_folder(self.folder, fold)
        bare = network_of(
            str(read_fold(place).get("network", self.network)),
            self.config,
            self.preparation.shape,
            self.preparation.in_channels,
            len(self.classes),
        )
        network = self.task.in_units(bare)
        read_weights(network, place / NETWORK)
        return HRCAM.load(place / EXPLAINER, network)

    def folds_for(self, scan: Scan, voxel_hash: str) -> tuple[tuple[int, ...], bool]:
        """Say by which folds a scan is to be mapped, and whether they learnt from it.

        Parameters
        ----------
        scan
            Known by its images or by its participant.
        voxel_hash
            Of its images, as in `hrcam.cohort.facts.ScanFacts`.

        Returns
        -------
        The fold of each repeat that did not see the participant; all folds for somebody new. And
        True if there is no fold that did not learn from this participant, or decide by it when to
        stop.
        """
        known = self._known(scan, voxel_hash)
        if not known:
            return tuple(range(1, self.folds + 1)), False
        if not all(row.tested_by for row in known):
            return tuple(range(1, self.folds + 1)), True
        return tuple(sorted({fold for row in known for fold in row.tested_by})), False

    def controls_for(self, scan: Scan, voxel_hash: str, map_class: str) -> ControlScores | None:
        """Return what the maps of a class are compared with: controls that are not this subject.

        Each control counts once, with the mean of its scores over the repeats. Its mean map would
        have no higher peak.

        Parameters
        ----------
        scan, voxel_hash
            As for `folds_for`.
        map_class
            Class of the map.

        Returns
        -------
        ControlScores
            None if the run has no reference class, or the map is of that class.
        """
        if self.reference in (None, map_class):
            return None
        own = {row.group for row in self._known(scan, voxel_hash)}
        scores: dict[str, list[float]] = {}
        for row in self.controls:
            if row.map_class == map_class and row.group not in own:
                scores.setdefault(row.scan, []).append(row.score)
        return ControlScores(tuple(map(fmean, scores.values())))

    @cached_property
    def held_out(self) -> HeldOutDistances:
        """What the distance of a scan is compared with."""
        return HeldOutDistances.of(self.distances)

    @property
    def voxel_sizes(self) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
        """The smallest and the largest voxel sizes that were learnt from, each in rising order.

        In mm; None if the grid has no scale.
        """
        spread = self.fingerprint.get("spacing")
        if self.preparation.spacing is None or not spread:
            return None
        # In order of size, as images may have their axes in any order.
        smallest, largest = (
            tuple(sorted(map(float, spread[end]))) for end in ("minimum", "maximum")
        )
        return smallest, largest

    def _known(self, scan: Scan, voxel_hash: str) -> list[SplitRow]:
        """Return the rows of a scan, else those of its participant."""
        return self._by_voxels.get(voxel_hash) or self._by_participant.get(scan.participant) or []

    @cached_property
    def _by_voxels(self) -> dict[str, list[SplitRow]]:
        return _grouped(self.splits, lambda row: row.voxel_hash)

    @cached_property
    def _by_participant(self) -> dict[str, list[SplitRow]]:
        return _grouped(self.splits, lambda row: row.participant)


def _grouped(rows: Iterable[SplitRow], key: Callable[[SplitRow], str]) -> dict[str, list[SplitRow]]:
    found: dict[str, list[SplitRow]] = {}
    for row in rows:
        found.setdefault(key(row), []).append(row)
    return found
