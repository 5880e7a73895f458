"""The learning curve of a run: its folds again, with fewer training subjects."""

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from math import ceil
from typing import Any

import numpy as np

from hrcam.artifacts.run_folder import read_folds, write_learning_curve
from hrcam.cluster import Cluster
from hrcam.cohort.nested_subsets import nested_subset, subjects_of
from hrcam.errors import HRCAMWarning, InputError
from hrcam.evaluation.learning_curve import LearningCurve, SizePredictions, learning_curve
from hrcam.training.config import Hardware
from hrcam.training.fold_jobs import TrainingJob, train_folds
from hrcam.training.plan_rules import MOST_EPOCHS
from hrcam.training.prediction_rows import prediction_arrays

FOLDER = "learning-curve"
SHARES = {"quarter": 1 / 4, "half": 1 / 2}
"""Shares of the training subjects of each fold, by the name of their folder."""


def check_task(task: str) -> None:
    """See that a run of this task can have a learning curve.

    Raises
    ------
    InputError
        If not.
    """
    if task != "classification":
        raise InputError(
            f"a learning curve is of classes, and the task {task} has none: leave out "
            "--learning-curve (learning_curve=True)"
        )


def train_subsets(
    job: TrainingJob,
    hashes: Mapping[str, str],
    numbers: Iterable[int],
    *,
    hardware: Hardware,
    cluster: Cluster | None = None,
    progress: bool,
) -> None:
    """Train folds of a run on nested subsets of their subjects; arguments as for `train_folds`."""
    numbers = list(numbers)
    for share in SHARES:
        subset = _subset_job(job, hashes, share)
        subset.folder.mkdir(parents=True, exist_ok=True)
        with warnings.catch_warnings():
            # Heads of the subsets, which warn of few images, are not used.
            warnings.simplefilter("ignore", HRCAMWarning)
            train_folds(subset, numbers, hardware=hardware, cluster=cluster, progress=progress)


def write_curve(job: TrainingJob, hashes: Mapping[str, str]) -> dict[str, Any]:
    """Fit the learning curve of a run whose subsets are trained, write it, and return it."""
    jobs = [*(_subset_job(job, hashes, share) for share in SHARES), job]
    curve = learning_curve([_predictions(one) for one in jobs], seed=job.config.seed)
    content = _plain(curve)
    write_learning_curve(job.folder, content)
    return content


def _subset_job(job: TrainingJob, hashes: Mapping[str, str], name: str) -> TrainingJob:
    share, scans = SHARES[name], job.cohort.scans
    folds = (
        nested_subset(fold, scans, hashes, share, job.config.seed + number)
        for number, fold in enumerate(job.folds)
    )
    # About as many steps as with all subjects, within the epochs that a plan may have.
    epochs = min(max(job.plan.epochs, MOST_EPOCHS), ceil(job.plan.epochs / share))
    patience = ceil(job.plan.patience * epochs / job.plan.epochs)
    return replace(
        job,
        folder=job.folder / FOLDER / name,
        folds=tuple(folds),
        plan=job.plan.model_copy(update={"epochs": epochs, "patience": patience}),
    )


def _predictions(job: TrainingJob) -> SizePredictions:
    classes = job.task.classes
    rows = read_folds(job.folder, job.repeats, classes)
    subjects = float(np.mean([subjects_of(fold, job.cohort.scans) for fold in job.folds]))
    return SizePredictions(subjects, prediction_arrays(rows, classes))


def _plain(curve: LearningCurve) -> dict[str, Any]:
    content = asdict(curve)
    return {"metric": "auc", "predictor": "network", "tells": curve.tells, **content}
