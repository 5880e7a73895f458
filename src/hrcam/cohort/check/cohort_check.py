"""Check a cohort before anything is computed from it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from hrcam.artifacts.cache import Cache
from hrcam.cluster import Cluster
from hrcam.cohort.check.answers import answer_problems
from hrcam.cohort.check.consistency import duplicate_problems, image_problems, split_problems
from hrcam.cohort.check.examination import shown_files
from hrcam.cohort.check.examiners import examine_all
from hrcam.cohort.check.labels import (
    class_problems,
    imbalance_problems,
    label_problems,
    spelling_problems,
)
from hrcam.cohort.check.numbers import value_problems
from hrcam.cohort.check.shortcuts import shortcut_problems
from hrcam.cohort.check.sites import site_problems
from hrcam.cohort.facts import ScanFacts
from hrcam.cohort.fingerprint import Fingerprint, take_fingerprint
from hrcam.cohort.problems import Problem
from hrcam.cohort.scan import Cohort, Scan, TaskName


@dataclass(frozen=True)
class CheckReport:
    """What was found of a cohort.

    Attributes
    ----------
    problems
        Refusals first, then warnings; each by scan, the cohort as a whole first.
    accepted
        The cohort without what was refused.
    facts
        Of each accepted scan, by name.
    fingerprint
        Of the accepted scans.
    """

    problems: tuple[Problem, ...]
    accepted: Cohort
    facts: Mapping[str, ScanFacts]
    fingerprint: Fingerprint

    @property
    def refused(self) -> tuple[Problem, ...]:
        """Problems for which a scan, or the cohort, cannot be used."""
        return tuple(found for found in self.problems if found.refused)

    @property
    def voxel_hashes(self) -> dict[str, str]:
        """Hash of the voxels of each accepted scan, as `make_folds` wants them."""
        return {name: facts.voxel_hash for name, facts in self.facts.items()}

    def to_json(self) -> dict[str, Any]:
        """Return problems, fingerprint and facts in types that JSON has."""
        return {
            "problems": [asdict(found) for found in self.problems],
            "fingerprint": self.fingerprint.to_json(),
            "scans": [asdict(facts) for facts in self.facts.values()],
        }


def check_cohort(
    cohort: Cohort,
    *,
    labels: bool = True,
    task: TaskName = "classification",
    workers: int | None = None,
    cache: Cache | None = None,
    cluster: Cluster | None = None,
    progress: bool = True,
) -> CheckReport:
    """Decode every image and mask completely, and compare the scans with each other.

    Parameters
    ----------
    cohort
        As `open_cohort` gives it; rows that it refused are in the report too.
    labels
        Check also what training needs: labels, classes and the split of the table.
    task
        What the labels are to be.
    workers
        Number of processes, and of scans in memory at a time; 1 stays in this process, None
        takes one for each core.
    cache
        Of what was found of scans before, by the content of their files; None to decode all.
    cluster
        Decodes the scans instead of processes of this machine.
    progress
        Show a progress bar, if standard error is a terminal.

    Returns
    -------
    CheckReport
        Problems, and the scans that are left.

    Raises
    ------
    InputError
        If ``workers`` is less than 1.
    """
    problems = list(cohort.problems)
    facts: dict[str, ScanFacts] = {}
    examined = examine_all(cohort, workers=workers, cache=cache, cluster=cluster, progress=progress)
    for scan, examination in examined:
        problems.extend(examination.problems)
        if examination.facts is not None:
            facts[scan.name] = examination.facts
    hashes = {name: fact.voxel_hash for name, fact in facts.items()}

    def shown(scan: Scan) -> str:
        return shown_files(cohort, scan)["image"]

    def left() -> list[Scan]:
        """List the scans that nothing has been found against so far."""
        refused = {found.scan for found in problems if found.refused}
        return [scan for scan in cohort.scans if scan.name in facts and scan.name not in refused]

    problems += image_problems(left(), facts, shown)
    problems += duplicate_problems(left(), facts, shown, labels=labels)
    if labels:
        problems += label_problems(left(), shown, task)
        problems += split_problems(left(), hashes, shown)
        labelled = [scan for scan in left() if scan.label is not None]
        if task == "regression":
            problems += value_problems(labelled, shown)
        elif task == "labels":
            problems += answer_problems(labelled, hashes, shown)
        else:
            problems += spelling_problems(labelled)
            problems += class_problems(labelled, hashes, shown)
            usable = [scan for scan in left() if scan.label is not None]
            problems += imbalance_problems(usable, hashes)
            sites = site_problems(labelled)
            known = ("column site",) if sites else ()
            problems += [*sites, *shortcut_problems(usable, facts, hashes, known)]
    accepted = replace(cohort, scans=tuple(left()), problems=())
    kept = {scan.name: facts[scan.name] for scan in accepted.scans}
    ordered = sorted(
        problems, key=lambda found: (not found.refused, found.scan, found.file, found.reason)
    )
    return CheckReport(tuple(ordered), accepted, kept, take_fingerprint(accepted, kept, task))
