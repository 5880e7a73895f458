"""Open the cohorts of a benchmark, after writing simulated ones."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from hrcam.benchmark.suite import PlannedCohort
from hrcam.cluster import Cluster
from hrcam.cohort import Cohort, Scan, open_cohort
from hrcam.cohort.opening.layouts import TABLES
from hrcam.cohort.opening.table import SUFFIXES, read_table
from hrcam.simulate import SimulatedCohort, write_cohort

NIGRA = "nigra"
"""Optional column of a cohort's table with masks of the substantia nigra."""


@dataclass(frozen=True)
class OpenedCohort:
    """A cohort of a benchmark with its masks.

    Attributes
    ----------
    plan
        Plan of the cohort.
    cohort
        Scans; without a split if they are to be cross-validated.
    nigra
        Masks of the substantia nigra by participant; empty if there are none.
    """

    plan: PlannedCohort
    cohort: Cohort
    nigra: Mapping[str, Path]

    @property
    def kind(self) -> Literal["simulated", "real"]:
        """Whether the images were simulated here."""
        return "simulated" if isinstance(self.plan.source, SimulatedCohort) else "real"

    def absolute(self) -> "OpenedCohort":
        """Return the same with absolute paths, for a process that has another folder."""
        scans = tuple(scan.absolute() for scan in self.cohort.scans)
        nigra = {participant: path.absolute() for participant, path in self.nigra.items()}
        return replace(self, cohort=replace(self.cohort, scans=scans), nigra=nigra)

    @property
    def sha256(self) -> str:
        """Hash of the table: names, labels, groups, splits, and presence of masks."""
        rows = [
            (scan.name, scan.label, scan.group, scan.split, scan.mask is not None)
            for scan in sorted(self.cohort.scans, key=lambda scan: scan.name)
        ]
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def open_planned(
    plan: PlannedCohort,
    folder: Path,
    *,
    workers: int | None = None,
    cluster: Cluster | None = None,
    progress: bool = True,
) -> OpenedCohort:
    """Open a cohort of a suite.

    Parameters
    ----------
    plan
        The cohort.
    folder
        Folder of a simulated cohort; existing files are kept.
    workers
        Number of processes for simulation; None for one per core.
    cluster
        Simulates instead of them.
    progress
        Show a progress bar on a terminal.

    Returns
    -------
    OpenedCohort

    Raises
    ------
    InputError
        If there is no cohort at its path, or the folder holds another simulated one.
    """
    if isinstance(plan.source, SimulatedCohort):
        write_cohort(plan.source, folder, workers, cluster=cluster, progress=progress)
    source = folder if isinstance(plan.source, SimulatedCohort) else plan.source
    cohort = open_cohort(source)
    nigra = _masks_in_column(cohort, NIGRA)
    if plan.cross_validated:
        scans = tuple(replace(scan, split=None) for scan in cohort.scans)
        cohort = replace(cohort, scans=scans)
    return OpenedCohort(_for_few_groups(plan, cohort), cohort, nigra)


def _for_few_groups(plan: PlannedCohort, cohort: Cohort) -> PlannedCohort:
    """Use leave-one-group-out if there are fewer groups than folds."""
    groups = {scan.group for scan in cohort.scans}
    divided = any(scan.split is not None for scan in cohort.scans)
    if divided or len(groups) >= plan.training.folds:
        return plan
    changes = {"folds": max(2, len(groups)), "validation": 0.0}
    return replace(plan, training=plan.training.model_copy(update=changes))


def lesion_free_classes(scans: tuple[Scan, ...]) -> set[str]:
    """Return the classes without masks, if other classes have masks."""
    labels = {scan.label for scan in scans if scan.label is not None}
    drawn = {scan.label for scan in scans if scan.label is not None and scan.mask is not None}
    return labels - drawn if drawn else set()


def _masks_in_column(cohort: Cohort, column: str) -> dict[str, Path]:
    source = cohort.source
    candidates = [source] if source.is_file() else [source / name for name in TABLES]
    table = next((path for path in candidates if path.is_file()), None)
    if table is None or table.suffix.casefold() not in SUFFIXES:
        return {}
    found = {}
    for row in read_table(table).rows:
        participant, mask = row.get("participant_id"), row.get(column)
        if participant is not None and mask is not None:
            found[participant] = table.parent / mask
    return found
