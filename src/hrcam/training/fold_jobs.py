"""Train the folds of a run; jobs that share its folder share the folds."""

import logging
import time
import warnings
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path

from hrcam.artifacts.cache import Cache
from hrcam.artifacts.run_folder import fold_folder, is_done, read_fold
from hrcam.artifacts.scan_claims import ScanClaims
from hrcam.cluster import Cluster, Killed, workers_died
from hrcam.cohort.scan import Cohort
from hrcam.cohort.splits import Fold
from hrcam.errors import HRCAMWarning
from hrcam.preparation import Preparation, augmentation
from hrcam.progress import Progress
from hrcam.training.config import Hardware, TrainingConfig
from hrcam.training.fold import train_fold
from hrcam.training.plan import Plan
from hrcam.training.samples import Samples, prepare_samples
from hrcam.training.tasks import Task
from hrcam.training.tries import Try, tries_of

logger = logging.getLogger(__name__)

IMAGES = "images.npy"
"""Name of the file with the prepared images."""
_PATIENCE = 0.5  # seconds between looks at the folds of another job


@dataclass(frozen=True)
class TrainingJob:
    """Everything that is decided before the first fold is trained.

    Attributes
    ----------
    folder
        Of the run, which has begun.
    images
        File with the prepared images.
    cohort
        The scans that the checks accepted.
    folds
        Which scans train, stop and test each network.
    preparation
        From an image to the network's grid.
    config
        Options of the run.
    plan
        What was planned, or given.
    task
        What the networks learn.
    cache
        Of prepared scans; None to keep none.
    """

    folder: Path
    images: Path
    cohort: Cohort
    folds: tuple[Fold, ...]
    preparation: Preparation
    config: TrainingConfig
    plan: Plan
    task: Task
    cache: Cache | None

    @property
    def numbers(self) -> range:
        """The folds, counted from 1."""
        return range(1, len(self.folds) + 1)

    @property
    def repeats(self) -> list[int]:
        """Which division into folds each fold belongs to."""
        return [fold.repeat for fold in self.folds]

    @property
    def tries(self) -> tuple[Try, ...]:
        """The plans that each fold is trained by, to keep the best network."""
        return tries_of(self.plan, self.config)

    @property
    def epochs(self) -> int:
        """Largest number of epochs of a fold, of all its tries."""
        return sum(one.plan.epochs for one in self.tries)

    def absolute(self) -> "TrainingJob":
        """Return the same with absolute paths, for a process that has another folder."""
        scans = tuple(scan.absolute() for scan in self.cohort.scans)
        weights = self.config.weights
        config = self.config.model_copy(update={"weights": weights and weights.absolute()})
        return replace(
            self,
            folder=self.folder.absolute(),
            images=self.images.absolute(),
            cohort=replace(self.cohort, scans=scans),
            config=config,
            cache=self.cache and self.cache.absolute(),
        )

    def is_done(self, number: int) -> bool:
        """Tell whether a fold is trained."""
        return is_done(fold_folder(self.folder, number))

    def config_of(self, number: int) -> TrainingConfig:
        """Return the options of a fold: each repeat has another seed."""
        seed = self.config.seed + self.folds[number - 1].repeat - 1
        return self.config.model_copy(update={"seed": seed})


def train_folds(
    job: TrainingJob,
    numbers: Iterable[int],
    *,
    hardware: Hardware,
    cluster: Cluster | None = None,
    progress: bool,
) -> None:
    """Train some folds of a run, and return when all of them are done, whoever did them.

    Parameters
    ----------
    job
        The run.
    numbers
        Folds, counted from 1; those that are done are left alone.
    hardware
        Devices and precision.
    cluster
        Trains the folds at the same time; None to train one after the other here.
    progress
        Show how many epochs of all folds are done, or how many folds by a cluster: a bar on a
        terminal, else a line in the log every 30 seconds.

    Raises
    ------
    MachineError
        If a fold kills the workers of the cluster; the others are then done.
    """
    left = []
    for number in numbers:
        if job.is_done(number):
            logger.info("fold %d of %d is done", number, len(job.folds))
        else:
            left.append(number)
    with ScanClaims(job.folder) as claims, ExitStack() as stack:
        shown: Progress | None = None
        while left:
            most = 1 if cluster is None else len(left)
            taken = list(islice((one for one in left if claims.take(_claim(one))), most))
            if not taken:
                time.sleep(_PATIENCE)
            missing = [one for one in taken if not job.is_done(one)]
            if missing:
                _prepare(job, claims, hardware, cluster, progress)
                if cluster is not None:
                    _train_on(cluster, job, missing, hardware, progress)
                else:
                    if shown is None:  # the time of the preparation says nothing of an epoch
                        epochs = len(left) * job.epochs
                        shown = stack.enter_context(
                            Progress(epochs, "training", "epochs", shown=progress)
                        )
                    _train(job, missing[0], hardware, shown)
            for one in taken:
                claims.release(_claim(one))
            by_others = [one for one in left if one not in taken and job.is_done(one)]
            if shown is not None:
                shown.skip(len(by_others) * job.epochs)
            left = [one for one in left if not job.is_done(one)]


def _train_on(
    cluster: Cluster,
    job: TrainingJob,
    numbers: Sequence[int],
    hardware: Hardware,
    progress: bool,
) -> None:
    # The claims are held here, so that one of a worker that dies keeps no fold.
    train = partial(_train, job.absolute(), hardware=hardware, progress=None)
    dead = []
    with Progress(len(numbers), "training", "folds", shown=progress) as shown:
        for number, outcome in cluster.outcomes(train, numbers):
            shown.update()
            if isinstance(outcome, Killed):
                dead.append(number)
                continue
            logger.info("fold %d of %d is trained", number, len(job.folds))
            for text in read_fold(fold_folder(job.folder, number))["warnings"]:
                warnings.warn(text, HRCAMWarning, stacklevel=2)
    if dead:
        raise workers_died(f"fold {', '.join(map(str, sorted(dead)))} was not trained")


def _train(job: TrainingJob, number: int, hardware: Hardware, progress: Progress | None) -> None:
    fold = job.folds[number - 1]
    logger.info("fold %d of %d: %d training scans", number, len(job.folds), len(fold.train))
    train_fold(
        fold_folder(job.folder, number),
        fold,
        _samples(job, hardware, progress=False),
        job.task,
        job.config_of(number),
        job.tries,
        augmentation(job.preparation, job.plan.changes),
        hardware=hardware,
        progress=progress,
    )


def _prepare(
    job: TrainingJob,
    claims: ScanClaims,
    hardware: Hardware,
    cluster: Cluster | None,
    progress: bool,
) -> None:
    """Prepare the images of the run, or wait for the job that does."""
    while not job.images.is_file():
        if not claims.take(IMAGES):
            time.sleep(_PATIENCE)
            continue
        if cluster is None:
            _samples(job, hardware, progress)
        else:
            for _, outcome in cluster.outcomes(partial(_write_images, job.absolute()), [hardware]):
                if isinstance(outcome, Killed):
                    raise workers_died("the images could not be prepared")
        claims.release(IMAGES)


def _write_images(job: TrainingJob, hardware: Hardware) -> None:
    _samples(job, hardware, progress=False)


def _samples(job: TrainingJob, hardware: Hardware, progress: bool) -> Samples:
    return prepare_samples(
        job.cohort.scans,
        job.task.targets(job.cohort.scans),
        job.preparation,
        job.images,
        workers=hardware.workers,
        cache=job.cache,
        progress=progress,
    )


def _claim(number: int) -> str:
    return f"fold-{number}"
