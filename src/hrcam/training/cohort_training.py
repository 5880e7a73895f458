"""Train on a cohort of files: check, prepare, split, train each fold, and score."""

import logging
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from hrcam.artifacts.cache import Cache
from hrcam.artifacts.claim import check_claimable
from hrcam.artifacts.plan_file import PLAN
from hrcam.artifacts.run_folder import CONFIG, WORK, begin_run, keep_plan, write_inputs
from hrcam.artifacts.run_tables import SplitRow
from hrcam.artifacts.shortcut_table import ShortcutRow
from hrcam.artifacts.timing_table import Timing
from hrcam.cluster import Cluster
from hrcam.cohort.check import CheckReport, check_cohort
from hrcam.cohort.check.sites import left_out_problems
from hrcam.cohort.leave_out import check_left_out, leave_out_folds
from hrcam.cohort.problems import Problem, RefusedScansError
from hrcam.cohort.scan import Cohort, Scan
from hrcam.cohort.splits import Fold, make_folds
from hrcam.errors import InputError
from hrcam.model.inputs import number_of_refits
from hrcam.training.budget import plan_within
from hrcam.training.by_column import checked_columns, write_by_column
from hrcam.training.classifier import check_hardware
from hrcam.training.config import Hardware, TrainingConfig
from hrcam.training.fold_jobs import IMAGES, TrainingJob, train_folds
from hrcam.training.learning_curve import check_task, train_subsets, write_curve
from hrcam.training.plan import read_kept_plan
from hrcam.training.plan_rules import make_plan, preparation_of
from hrcam.training.run import Run
from hrcam.training.run_network import check_network
from hrcam.training.run_summary import write_summary
from hrcam.training.shortcuts import write_shortcuts
from hrcam.training.tasks import task_of
from hrcam.training.tries import check_comparable, tries_of

logger = logging.getLogger(__name__)

_LISTED = 10


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
    shortcuts
        Content of its ``shortcuts.tsv``; empty for a cohort that is too small to tell.
    learning_curve
        Content of its ``learning-curve.json``; None if none was asked for.
    """

    run: Run
    metrics: dict[str, Any]
    problems: tuple[Problem, ...]
    shortcuts: tuple[ShortcutRow, ...]
    learning_curve: dict[str, Any] | None = None


def train_cohort(
    cohort: Cohort,
    out: str | Path,
    config: TrainingConfig | None = None,
    *,
    hardware: Hardware | None = None,
    skip_bad: bool = False,
    on_checked: Callable[[CheckReport], None] | None = None,
    cache: Cache | None = None,
    cluster: Cluster | None = None,
    progress: bool = True,
    learning_curve: bool = False,
    by: Sequence[str] = (),
) -> TrainingReport:
    """Train a classifier with HR-CAM on a cohort, cross-validated by subject.

    If the table has its own split, there is one fold: trained on "train", with early stopping on
    "validation" if there is one, and scored on "test"; unless the values of a column are left out
    in turn. If interrupted or killed, repeat the call to resume; the result is the same. Several
    calls at once, also on other machines, share the folds, and each returns when all are done.

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
    cache
        Of what the checks find and of prepared scans, so that a repeated call and `map_scans` need
        not decode them; None to keep none.
    cluster
        Checks the scans and trains the folds, at the same time; None to do all on this machine.
    progress
        Show progress bars on a terminal.
    learning_curve
        Also train each fold on a quarter and on half of its subjects, and tell what twice as many
        would bring; may be asked for when the run is done.
    by
        Columns of the table for each value of which the network is scored, besides the site; may be
        asked for when the run is done.

    Returns
    -------
    TrainingReport
        The folder then has ``config.json``, ``plan.yaml``, ``preparation.json``,
        ``fingerprint.json``, ``refused.tsv``, ``splits.tsv``, a folder per fold, ``shortcuts.tsv``,
        ``predictions.tsv``, ``metrics.json`` and, last, ``manifest.json``; where it was asked for,
        also ``learning-curve.json`` and ``by_column.tsv``.

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
    hardware, config = hardware or Hardware(), config or TrainingConfig()
    if learning_curve:
        check_task(config.task)
    columns = checked_columns(cohort, by)
    if by and config.task != "classification":
        raise InputError(
            f"metrics by column are of classes, and the task {config.task} has none: leave out "
            "--by (by=)"
        )
    job, checked = _begin(
        cohort,
        out,
        config,
        hardware,
        skip_bad,
        on_checked,
        cache,
        cluster=cluster,
        progress=progress,
    )
    train_folds(job, job.numbers, hardware=hardware, cluster=cluster, progress=progress)
    shortcuts = write_shortcuts(job, checked.facts)
    if job.task.classes:
        write_by_column(job, columns)
    hashes, curve = checked.voxel_hashes, None
    if learning_curve:
        train_subsets(
            job, hashes, job.numbers, hardware=hardware, cluster=cluster, progress=progress
        )
        curve = write_curve(job, hashes)
    metrics = write_summary(
        job.folder,
        job.cohort,
        hashes,
        job.config,
        job.plan.network,
        hardware,
        folds=job.folds,
        source=_source(job),
        task=job.task,
    )
    # Another job may do the same at this moment.
    shutil.rmtree(job.folder / WORK, ignore_errors=True)
    return TrainingReport(Run.open(job.folder), metrics, checked.problems, shortcuts, curve)


def train_one_fold(
    cohort: Cohort,
    out: str | Path,
    fold: int,
    config: TrainingConfig | None = None,
    *,
    hardware: Hardware | None = None,
    skip_bad: bool = False,
    on_checked: Callable[[CheckReport], None] | None = None,
    cache: Cache | None = None,
    progress: bool = True,
    learning_curve: bool = False,
) -> int:
    """Train one fold of a run, as one of several jobs; `train_cohort` puts them together.

    Parameters
    ----------
    fold
        Counted from 1.
    cohort, out, config, hardware, skip_bad, on_checked, cache, progress, learning_curve
        As for `train_cohort`, the same in all jobs but for the hardware.

    Returns
    -------
    Number of folds of the run.

    Raises
    ------
    InputError
        If there is no such fold, or as `train_cohort`.
    RefusedScansError, MachineError, TrainingError
        As `train_cohort`.
    """
    hardware, config = hardware or Hardware(), config or TrainingConfig()
    if learning_curve:
        check_task(config.task)
    job, checked = _begin(
        cohort, out, config, hardware, skip_bad, on_checked, cache, fold=fold, progress=progress
    )
    train_folds(job, [fold], hardware=hardware, progress=progress)
    if learning_curve:
        train_subsets(job, checked.voxel_hashes, [fold], hardware=hardware, progress=progress)
    return len(job.folds)


def _begin(
    cohort: Cohort,
    out: str | Path,
    config: TrainingConfig,
    hardware: Hardware,
    skip_bad: bool,
    on_checked: Callable[[CheckReport], None] | None,
    cache: Cache | None,
    *,
    fold: int | None = None,
    cluster: Cluster | None = None,
    progress: bool,
) -> tuple[TrainingJob, CheckReport]:
    """Check the cohort and the options, divide the scans, and begin the run's folder."""
    folder = Path(out)
    if cluster is None:
        check_hardware(hardware)
    check_claimable(folder, CONFIG)
    number_of_refits(config.bootstrap)
    column = config.leave_out
    if column is not None:
        check_left_out(cohort.scans, column)  # before minutes are spent on images
    checked = check_cohort(
        cohort,
        task=config.task,
        workers=hardware.workers,
        cache=cache,
        cluster=cluster,
        progress=progress,
    )
    if checked.refused and not skip_bad:
        raise RefusedScansError(checked.refused)
    if column is not None and config.task == "classification":
        problems = left_out_problems(checked.accepted.scans, column)
        checked = replace(checked, problems=(*checked.problems, *problems))
    if on_checked is not None:
        on_checked(checked)
    accepted, hashes = checked.accepted, checked.voxel_hashes
    task = task_of(config, accepted.classes)
    kept = (folder / PLAN).exists()
    plan = read_kept_plan(folder / PLAN) if kept else make_plan(checked, config)
    stratified = task.stratified(accepted.scans, hashes, config.folds)
    folds = _folds(stratified, hashes, config, plan.validation)
    if fold is not None and not 1 <= fold <= len(folds):
        raise InputError(f"there is no fold {fold}: the run has folds 1 to {len(folds)}")
    timings: tuple[Timing, ...] = ()
    check_comparable(folds, config)
    tries_of(plan, config)  # before minutes are spent on timing
    if config.budget is not None and not kept:
        found = plan_within(checked, config, folds, len(task.outputs), hardware)
        plan, timings = found.plan, found.timings
    preparation = preparation_of(plan, checked)
    for one in tries_of(plan, config):
        check_network(one.plan.network, config, preparation, len(task.outputs))
    begin_run(folder, config.model_dump(mode="json"), _split_rows(accepted, folds, hashes))
    if not keep_plan(folder, plan.model_dump(mode="json"), plan.reasons, timings):
        # Another job may have timed, and planned, otherwise.
        plan = read_kept_plan(folder / PLAN)
        preparation = preparation_of(plan, checked)
    write_inputs(
        folder,
        preparation.model_dump(mode="json"),
        asdict(checked.fingerprint),
        checked.refused,
    )
    job = TrainingJob(
        folder,
        folder / WORK / IMAGES,
        accepted,
        tuple(folds),
        preparation,
        config,
        plan,
        task,
        cache,
    )
    return job, checked


def _folds(
    scans: Sequence[Scan], hashes: Mapping[str, str], config: TrainingConfig, validation: float
) -> list[Fold]:
    column = config.leave_out
    if column is None:
        return make_folds(
            scans,
            hashes,
            folds=config.folds,
            repeats=config.repeats,
            validation=validation,
            seed=config.seed,
        )
    if config.repeats > 1:
        raise InputError(
            f"repeats is {config.repeats}, but the values of {column} can be left out once: leave "
            "out either option"
        )
    folds = leave_out_folds(scans, hashes, column, validation=validation, seed=config.seed)
    for fold in folds:
        if fold.unused:
            more = len(fold.unused) - _LISTED
            logger.info(
                "where %s %s is left out, %s%s are not used: they belong together with scans of it",
                *(column, fold.left_out, ", ".join(fold.unused[:_LISTED])),
                f" and {more} more (unused_by in splits.tsv)" if more > 0 else "",
            )
    return folds


def _source(job: TrainingJob) -> str:
    """Say on which scans the networks are scored."""
    if job.config.leave_out is not None:
        return f"leave-one-{job.config.leave_out.casefold()}-out"
    return "out-of-fold" if job.cohort.scans[0].split is None else "test split"


def _split_rows(cohort: Cohort, folds: Sequence[Fold], hashes: Mapping[str, str]) -> list[SplitRow]:
    """Say which folds are tested on each scan; none is on the table's own "train"."""
    left_out = {name: fold.left_out for fold in folds for name in fold.test}
    tested_by, validation_of, unused_by = (
        _folds_of(getattr(fold, part) for fold in folds)
        for part in ("test", "validation", "unused")
    )
    return [
        SplitRow(
            scan=scan.name,
            participant=scan.participant,
            group=scan.group,
            label=str(scan.label),
            split="" if folds[0].left_out else scan.split or "",
            tested_by=tuple(tested_by[scan.name]),
            validation_of=tuple(validation_of[scan.name]),
            voxel_hash=hashes[scan.name],
            left_out=left_out.get(scan.name, ""),
            unused_by=tuple(unused_by[scan.name]),
        )
        for scan in sorted(cohort.scans, key=lambda scan: scan.name)
    ]


def _folds_of(parts: Iterable[Sequence[str]]) -> defaultdict[str, list[int]]:
    """Return the numbers of the folds that have each scan in this part."""
    found = defaultdict[str, list[int]](list)
    for number, names in enumerate(parts, 1):
        for name in names:
            found[name].append(number)
    return found
