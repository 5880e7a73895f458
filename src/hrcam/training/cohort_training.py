"""Train on a cohort of files: check, prepare, split, train each fold, and score."""

import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import ceil
from pathlib import Path
from typing import Any

from hrcam.artifacts.atomic import check_writable
from hrcam.artifacts.run_folder import WORK, begin_run, fold_folder, is_done, write_inputs
from hrcam.artifacts.run_tables import SplitRow
from hrcam.cohort.check import CheckReport, check_cohort
from hrcam.cohort.problems import Problem, RefusedScansError
from hrcam.cohort.scan import Cohort
from hrcam.cohort.splits import Fold, make_folds
from hrcam.errors import InputError
from hrcam.preparation import augmentation, choose_preparation
from hrcam.training.classifier import check_hardware
from hrcam.training.config import Hardware, TrainingConfig
from hrcam.training.default_classes import positive_class, reference_class
from hrcam.training.fold import check_network, train_fold
from hrcam.training.run import Run
from hrcam.training.run_summary import write_summary
from hrcam.training.samples import prepare_samples

logger = logging.getLogger(__name__)

STEPS = 2400
"""Approximate number of optimiser steps if the number of epochs is not given."""
_FEWEST, _MOST = 10, 100


@dataclass(frozen=True)
class TrainingReport:
    """Result of a training.

    Attributes
    ----------
    run
        The finished run.
    metrics
        Content of its ``metrics.json``.
    problems
        All problems that the checks found; refused scans were left out.
    """

    run: Run
    metrics: dict[str, Any]
    problems: tuple[Problem, ...]


def train_cohort(
    cohort: Cohort,
    out: str | Path,
    config: TrainingConfig | None = None,
    *,
    hardware: Hardware | None = None,
    skip_bad: bool = False,
    on_checked: Callable[[CheckReport], None] | None = None,
    progress: bool = True,
) -> TrainingReport:
    """Train a classifier with HR-CAM on a cohort, cross-validated by subject.

    If the table has its own split, there is one fold: trained on "train", with early stopping on
    "validation" (a part of "train" if there is none), and scored on "test". If interrupted or
    killed, repeat the call to resume; the result is the same.

    Parameters
    ----------
    cohort
        A cohort from `hrcam.cohort.open_cohort`; every scan needs a label.
    out
        Folder of the run: new, empty, or of the same cohort and configuration.
    config
        Options that change the result; None for the defaults.
    hardware
        Devices and precision; may differ when a run is resumed.
    skip_bad
        Leave out refused scans instead of raising an error.
    on_checked
        Called with the result of the checks, before training starts.
    progress
        Show progress bars on a terminal.

    Returns
    -------
    TrainingReport
        The folder then has ``config.json``, ``preparation.json``, ``fingerprint.json``,
        ``refused.tsv``, ``splits.tsv``, a folder per fold, ``predictions.tsv``,
        ``metrics.json`` and, last, ``manifest.json``.

    Raises
    ------
    RefusedScansError
        If the checks refuse scans, unless ``skip_bad``; the error lists them.
    InputError
        If the cohort cannot be split or trained on, or the folder has other content.
    MachineError
        If memory, a device or a disk fails, or the disk has no room for the prepared images.
    TrainingError
        If a loss is infinite or NaN.
    """
    folder, config, hardware = Path(out), config or TrainingConfig(), hardware or Hardware()
    check_hardware(hardware)
    check_writable(folder)
    checked = check_cohort(cohort, workers=hardware.workers, progress=progress)
    if checked.refused and not skip_bad:
        raise RefusedScansError(checked.refused)
    if on_checked is not None:
        on_checked(checked)
    accepted, hashes = checked.accepted, checked.voxel_hashes
    _check_classes(accepted)
    positive = positive_class(accepted.classes, config.positive)
    reference = reference_class(accepted.classes, config.reference)
    preparation = choose_preparation(
        checked.facts.values(),
        accepted.channels,
        shape=config.shape,
        spacing=config.spacing,
        colour=accepted.scans[0].colour,
    )
    folds = make_folds(
        accepted.scans,
        hashes,
        folds=config.folds,
        validation=config.validation,
        seed=config.seed,
    )
    check_network(config, preparation, len(accepted.classes))
    begin_run(folder, config.model_dump(mode="json"), _split_rows(accepted, folds, hashes))
    write_inputs(
        folder,
        preparation.model_dump(mode="json"),
        asdict(checked.fingerprint),
        checked.refused,
    )
    work = folder / WORK
    done = [is_done(fold_folder(folder, number)) for number in range(1, len(folds) + 1)]
    if not all(done):
        samples = prepare_samples(
            accepted.scans,
            accepted.classes,
            preparation,
            work / "images.npy",
            workers=hardware.workers,
            progress=progress,
        )
        transform = augmentation(preparation)
    for number, fold in enumerate(folds, 1):
        if done[number - 1]:
            logger.info("fold %d of %d is done", number, len(folds))
            continue
        logger.info("fold %d of %d: %d training scans", number, len(folds), len(fold.train))
        train_fold(
            fold_folder(folder, number),
            fold,
            samples,
            accepted.classes,
            config,
            transform,
            reference=reference,
            epochs=config.epochs or epochs_for(len(fold.train), config.batch_size),
            hardware=hardware,
            progress=progress,
        )
    own_split = accepted.scans[0].split is not None
    metrics = write_summary(
        folder,
        accepted,
        hashes,
        config,
        hardware,
        folds=len(folds),
        own_split=own_split,
        positive=positive,
    )
    if work.exists():
        shutil.rmtree(work)
    return TrainingReport(Run.open(folder), metrics, checked.problems)


def epochs_for(images: int, batch_size: int) -> int:
    """Return the number of epochs for about `STEPS` steps, from 10 to 100."""
    return min(_MOST, max(_FEWEST, ceil(STEPS / max(1, images // batch_size))))


def _check_classes(cohort: Cohort) -> None:
    if len(cohort.classes) < 2:
        raise InputError(
            f"{len(cohort.classes)} class is left in the cohort: a classifier needs scans of two "
            "or more; see the column label"
        )


def _split_rows(cohort: Cohort, folds: Sequence[Fold], hashes: Mapping[str, str]) -> list[SplitRow]:
    """Say which fold is tested on each scan; none is on the table's own "train"."""
    tested = {name: number for number, fold in enumerate(folds, 1) for name in fold.test}
    return [
        SplitRow(
            scan=scan.name,
            participant=scan.participant,
            group=scan.group,
            label=str(scan.label),
            split=scan.split or "",
            fold=tested.get(scan.name),
            validation_of=tuple(
                number for number, fold in enumerate(folds, 1) if scan.name in fold.validation
            ),
            voxel_hash=hashes[scan.name],
        )
        for scan in sorted(cohort.scans, key=lambda scan: scan.name)
    ]
