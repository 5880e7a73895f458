"""Shortcuts of a run: what predicts the class as the network does, without the pathology."""

from collections.abc import Mapping

import numpy as np

from hrcam.artifacts.atomic import write_atomically
from hrcam.artifacts.run_folder import read_folds
from hrcam.artifacts.shortcut_table import (
    SHORTCUTS,
    ShortcutRow,
    encode_shortcuts,
    read_shortcuts,
)
from hrcam.cohort.facts import ScanFacts
from hrcam.cohort.shortcuts import Division, cohort_sources, is_enough, measure_shortcuts
from hrcam.training.fold_jobs import TrainingJob
from hrcam.training.prediction_rows import prediction_arrays


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
    predictions = read_folds(job.folder, job.repeats, classes)
    rows = {(one.fold, one.scan): row for row, one in enumerate(predictions)}
    divisions, order = [], []
    for number, fold in zip(job.numbers, job.folds, strict=True):
        known = np.array([places[name] for name in (*fold.train, *fold.validation)])
        tested = np.array([places[name] for name in fold.test])
        divisions.append(Division(known, tested, fold.repeat))
        order += [rows[number, name] for name in fold.test]
    left_out = f"column {(job.config.leave_out or '').casefold()}"
    sources = [source for source in cohort_sources(scans, facts) if source.name != left_out]
    return measure_shortcuts(
        sources,
        scans,
        classes,
        divisions,
        network=prediction_arrays(predictions, classes).probabilities[order],
        seed=job.config.seed,
    )
