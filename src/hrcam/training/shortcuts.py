"""Shortcuts of a run: what predicts the class as the network does, without the pathology."""

from collections.abc import Mapping

import numpy as np

from hrcam.artifacts.atomic import write_atomically
from hrcam.artifacts.run_folder import fold_folder
from hrcam.artifacts.run_tables import PREDICTIONS, read_predictions
from hrcam.artifacts.shortcut_table import (
    SHORTCUTS,
    ShortcutRow,
    encode_shortcuts,
    read_shortcuts,
)
from hrcam.cohort.facts import ScanFacts
from hrcam.cohort.shortcuts import Division, cohort_sources, is_enough, measure_shortcuts
from hrcam.training.fold_jobs import TrainingJob


def write_shortcuts(job: TrainingJob, facts: Mapping[str, ScanFacts]) -> tuple[ShortcutRow, ...]:
    """Write ``shortcuts.tsv`` of a run whose folds are trained, unless it is there; return it.

    Parameters
    ----------
    job
        The run.
    facts
        By the name of the scan.

    Returns
    -------
    tuple of ShortcutRow
        Empty for a cohort that is too small to tell, and for a regression, which has no classes.
        A column whose values are left out in turn is no source: no value that is tested was seen.
    """
    if not job.task.classes:
        return ()
    path = job.folder / SHORTCUTS
    if not path.is_file():
        rows = _rows(job, facts) if is_enough(job.cohort.scans) else []
        write_atomically(path, encode_shortcuts(rows))
    return read_shortcuts(path) or ()


def _rows(job: TrainingJob, facts: Mapping[str, ScanFacts]) -> list[ShortcutRow]:
    scans, classes = job.cohort.scans, job.cohort.classes
    places = {scan.name: place for place, scan in enumerate(scans)}
    divisions, network = [], []
    for number, fold in zip(job.numbers, job.folds, strict=True):
        known = np.array([places[name] for name in (*fold.train, *fold.validation)])
        tested = np.array([places[name] for name in fold.test])
        divisions.append(Division(known, tested, fold.repeat))
        table = read_predictions(fold_folder(job.folder, number) / PREDICTIONS, classes)
        by_scan = {row.scan: row.network for row in table}
        network += [by_scan[name] for name in fold.test]
    probabilities = np.array(network)
    left_out = f"column {(job.config.leave_out or '').casefold()}"
    sources = [source for source in cohort_sources(scans, facts) if source.name != left_out]
    return measure_shortcuts(
        sources,
        scans,
        classes,
        divisions,
        network=probabilities / probabilities.sum(1, keepdims=True),  # six digits are written
        seed=job.config.seed,
    )
