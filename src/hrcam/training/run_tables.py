"""Tables of a run: who is in which fold, and who was left out."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import pandas as pd

from hrcam.cohort.problems import Problem
from hrcam.cohort.scan import Cohort
from hrcam.cohort.splits import Fold
from hrcam.training.fold import as_tsv

_PROBLEM = ("scan", "file", "reason", "message", "advice")


def splits_table(cohort: Cohort, folds: Sequence[Fold], hashes: Mapping[str, str]) -> bytes:
    """Return one row per scan, sorted by name, with the fold that is tested on it.

    The fold is "n/a" for scans that no fold is tested on: the table's own "train" and
    "validation". ``validation_of`` lists the folds that the scan decides when to stop.
    """
    tested = {name: number for number, fold in enumerate(folds, 1) for name in fold.test}
    rows = [
        {
            "scan": scan.name,
            "participant": scan.participant,
            "group": scan.group,
            "label": scan.label,
            "split": scan.split,
            "fold": tested.get(scan.name),
            "validation_of": ",".join(
                str(number) for number, fold in enumerate(folds, 1) if scan.name in fold.validation
            )
            or None,
            "voxel_hash": hashes[scan.name],
        }
        for scan in sorted(cohort.scans, key=lambda scan: scan.name)
    ]
    table = pd.DataFrame(rows).astype({"fold": "Int64"})
    return as_tsv(table)


def refused_table(problems: Sequence[Problem]) -> bytes:
    """Return one row per refused scan and reason."""
    rows = [asdict(problem) for problem in problems]
    return as_tsv(pd.DataFrame(rows, columns=list(_PROBLEM)))
