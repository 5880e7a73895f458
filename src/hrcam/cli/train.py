"""`hrcam train`."""

import re
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hrcam.cli.application import app, explained_errors
from hrcam.cli.cluster_option import Scheduler, opened_cluster
from hrcam.cli.cohort_options import (
    CACHE_SIZE,
    CacheSize,
    ColourChoice,
    Colours,
    Desc,
    GroupBy,
    ImageColumn,
    LabelColumn,
    NoCache,
    Space,
    Suffix,
    Task,
    TaskChoice,
    cache_of,
)
from hrcam.cli.terminal import aligned, print_problems, printable

if TYPE_CHECKING:
    from hrcam.artifacts.shortcut_table import ShortcutRow
    from hrcam.cohort.check import CheckReport


class HeadChoice(StrEnum):
    """Target of the HR-CAM head."""

    LABELS = "labels"
    LOGITS = "logits"
    JOINT = "joint"


@app.command()
def train(
    context: typer.Context,
    cohort: Annotated[
        Path, typer.Argument(help="Cohort: a folder or table of images with labels.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the run.")],
    task: Task = TaskChoice.CLASSIFICATION,
    plan: Annotated[
        Path | None,
        typer.Option(
            help="Plan of the training, as `hrcam check --plan` writes it; other options override "
            "its values.",
            show_default="made from the cohort",
        ),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            help="Time for all folds, e.g. 2h or 1h30m: the largest plan that fits, by timing "
            "some steps.",
            show_default="the usual plan",
        ),
    ] = None,
    tries: Annotated[
        int,
        typer.Option(
            "--try",
            min=1,
            help="Plans that each fold is trained by, to keep the network with the lowest "
            "validation loss.",
        ),
    ] = 1,
    network: Annotated[
        str | None,
        typer.Option(
            help="small, a MONAI network (resnet18, densenet121, ...), torchvision:NAME, "
            "timm:NAME, or your own as package.module:function.",
            show_default="planned",
        ),
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Local file with pretrained weights of the network.")
    ] = None,
    freeze: Annotated[
        bool,
        typer.Option("--freeze", help="Train the head of the network alone, as a linear probe."),
    ] = False,
    layer_decay: Annotated[
        float | None,
        typer.Option(
            min=1e-9,
            max=1,
            help="Factor of the learning rate from each block of the network to the one before.",
            show_default="one learning rate",
        ),
    ] = None,
    head: Annotated[
        HeadChoice,
        typer.Option(
            help="Target of the HR-CAM head: the labels, the CNN's logits, or joint training."
        ),
    ] = HeadChoice.LOGITS,
    folds: Annotated[int, typer.Option(min=2, help="Number of cross-validation folds.")] = 5,
    repeats: Annotated[
        int,
        typer.Option(
            min=1,
            help="Number of cross-validations, each with other folds and seeds, or of trainings on "
            "the table's own split.",
        ),
    ] = 1,
    leave_out: Annotated[
        str | None,
        typer.Option(
            help="Column of the table, such as site: each value in turn is left out and tested, "
            "in place of folds at random.",
            show_default=False,
        ),
    ] = None,
    fold: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Train only this fold, as one of several jobs; the same command without it then "
            "puts them together.",
        ),
    ] = None,
    validation: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=0.49,
            help="Fraction of the training subjects for early stopping.",
            show_default="planned",
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(min=1, help="Most training epochs.", show_default="planned"),
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Epochs without a lower validation loss before training stops.",
            show_default="planned",
        ),
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=2, help="Batch size.", show_default="planned")
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(min=1e-9, help="Peak learning rate.", show_default="planned"),
    ] = None,
    shape: Annotated[
        str | None,
        typer.Option(help="Shape of the grid in voxels, e.g. 96x112x96.", show_default="planned"),
    ] = None,
    spacing: Annotated[
        str | None,
        typer.Option(help="Voxel size of the grid in mm, e.g. 1x1x1.", show_default="planned"),
    ] = None,
    positive: Annotated[
        str | None,
        typer.Option(
            help="Positive class, of two.",
            show_default="the one not named control, healthy, ...",
        ),
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            help="Reference class, with which maps compare the others.",
            show_default="the one named control, healthy, ...",
        ),
    ] = None,
    bootstrap: Annotated[
        int,
        typer.Option(
            min=0, help="Refits of the head, for the standard deviation of maps: 0, or at least 2."
        ),
    ] = 0,
    suffix: Suffix = None,
    space: Space = None,
    desc: Desc = None,
    group_by: GroupBy = None,
    label_column: LabelColumn = None,
    image_column: ImageColumn = None,
    colour: Colours = ColourChoice.LUMINANCE,
    cache_size: CacheSize = CACHE_SIZE,
    no_cache: NoCache = False,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out refused scans, and list them.")
    ] = False,
    accelerator: Annotated[str, typer.Option(help="auto, cpu, gpu, mps, ...")] = "auto",
    devices: Annotated[
        int, typer.Option(min=1, help="Number of GPUs, which divide each batch.")
    ] = 1,
    precision: Annotated[
        str, typer.Option(help="auto (mixed on a GPU), or a value of Lightning, e.g. bf16-mixed.")
    ] = "auto",
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Processes that read images.", show_default="one per core"),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0, help="Random seed.", show_default="0; of a run that was begun, its own"
        ),
    ] = None,
    scheduler: Scheduler = None,
    by: Annotated[
        str | None,
        typer.Option(
            help="Columns of the table, as sex,age: the network is scored for each value, and for "
            "each site.",
            show_default=False,
        ),
    ] = None,
    learning_curve: Annotated[
        bool,
        typer.Option(
            "--learning-curve",
            help="Also train on a quarter and on half of the subjects, to tell what twice as many "
            "would bring.",
        ),
    ] = False,
) -> None:
    """Train a network with HR-CAM on a cohort, cross-validated by subject.

    Repeat the command to resume an interrupted training.
    """
    with explained_errors(context, "finished epochs are kept; the same command goes on"):
        from hrcam.artifacts.run_folder import seed_of
        from hrcam.cohort import open_cohort
        from hrcam.cohort.problems import RefusedScansError
        from hrcam.evaluation.worth import auc_statement, curve_statement, without_auc
        from hrcam.report.cohort_report import write_cohort_report
        from hrcam.training import (
            Hardware,
            TrainingConfig,
            read_plan,
            train_cohort,
            train_one_fold,
        )

        config = TrainingConfig(
            task=task.value,
            plan=None if plan is None else read_plan(plan),
            budget=_seconds(budget),
            tries=tries,
            network=network,
            weights=weights,
            freeze=freeze,
            layer_decay=layer_decay,
            head=head.value,
            folds=folds,
            repeats=repeats,
            leave_out=leave_out,
            validation=validation,
            epochs=epochs,
            patience=patience,
            batch_size=batch_size,
            learning_rate=learning_rate,
            shape=_sizes(shape, "shape", int),
            spacing=_sizes(spacing, "spacing", float),
            positive=positive,
            reference=reference,
            suffix=suffix,
            space=space,
            desc=desc,
            group_by=group_by,
            label_column=label_column,
            image_column=image_column,
            bootstrap=bootstrap,
            seed=(seed_of(out) or 0) if seed is None else seed,
        )
        hardware = Hardware(
            accelerator=accelerator, devices=devices, precision=precision, workers=workers
        )
        opened = open_cohort(
            cohort,
            suffix=suffix,
            space=space,
            desc=desc,
            group_by=group_by,
            label_column=label_column,
            image_column=image_column,
            colour=colour.value,
        )

        cache = cache_of(out, cache_size, no_cache)

        def on_checked(checked: "CheckReport") -> None:
            print_problems(checked.problems, err=True)

        try:
            if fold is not None:
                number = train_one_fold(
                    opened,
                    out,
                    fold,
                    config,
                    hardware=hardware,
                    skip_bad=skip_bad,
                    on_checked=on_checked,
                    cache=cache,
                    learning_curve=learning_curve,
                )
                typer.echo(
                    f"fold {fold} of {number} is trained: {out}\n"
                    "after all folds, the same command without --fold puts them together"
                )
                return
            with opened_cluster(scheduler) as cluster:
                report = train_cohort(
                    opened,
                    out,
                    config,
                    hardware=hardware,
                    skip_bad=skip_bad,
                    on_checked=on_checked,
                    cache=cache,
                    cluster=cluster,
                    learning_curve=learning_curve,
                    by=[name.strip() for name in by.split(",")] if by else (),
                )
        except RefusedScansError as error:
            print_problems(error.problems, err=True)
            raise
        page = write_cohort_report(out, None, out / "report.html")
    typer.echo(_summary(report.metrics))
    if config.task == "labels":
        typer.echo(f"\n{_by_label(report.metrics)}\n")
    if config.task == "classification":
        typer.echo(printable(auc_statement(report.metrics["network"])))
        if why := without_auc(report.metrics["network"]):
            typer.echo(printable(why))
    if report.learning_curve is not None:
        typer.echo(printable(curve_statement(report.learning_curve)))
    if report.shortcuts:
        typer.echo(f"\n{_shortcuts(report.shortcuts)}\n")
    typer.echo(f"run: {out}")
    typer.echo(f"report: {page}")


def _seconds(text: str | None) -> float | None:
    from hrcam.errors import InputError

    if text is None:
        return None
    found = re.fullmatch(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m(?:in)?)?", text)
    seconds = 60 * (60 * float(found[1] or 0) + float(found[2] or 0)) if found else 0
    if seconds == 0:
        raise InputError(
            f"--budget is {text!r}: write it as 2h, 90m or 1h30m; the smallest unit is a minute"
        )
    return seconds


def _sizes(text: str | None, name: str, number: type[Any]) -> tuple[Any, ...] | None:
    from hrcam.errors import InputError

    if text is None:
        return None
    try:
        return tuple(number(part) for part in text.split("x"))
    except ValueError as error:
        raise InputError(f"--{name} is {text!r}: write it as 96x112x96") from error


_OF_CLASSES = ("auc", "accuracy", "balanced_accuracy", "sensitivity", "specificity")
_NAMES = {"r2": "R²", "mae": "mean absolute error"}


def _by_label(metrics: dict[str, Any]) -> str:
    """Format the network's metrics of each of several labels."""
    from hrcam.evaluation.estimate import with_interval

    rows = [["network, by label", "with", "without", "auc", "balanced accuracy"]]
    for name, found in metrics["network"]["pooled"]["per_label"].items():
        counts = [str(found[key]) for key in ("with_label", "without_label")]
        scores = [with_interval(**found[metric]) for metric in ("auc", "balanced_accuracy")]
        rows.append([printable(name), *counts, *scores])
    return aligned(rows)


def _summary(metrics: dict[str, Any]) -> str:
    """Format the pooled metrics of network and head."""
    from hrcam.evaluation.estimate import significant, two_decimals, with_interval

    rows = [[f"{metrics['source']}, 95 % interval", "network", "HR-CAM head"]]
    positive, target = metrics.get("positive_class"), metrics.get("target")
    listed = ("r2", "mae", "pearson", "spearman") if target else (*_OF_CLASSES, "calibration_error")
    for metric in listed:
        values = [metrics[who]["pooled"][metric] for who in ("network", "head")]
        name = _NAMES.get(metric, metric.replace("_", " "))
        if "labels" in metrics:
            name += ", mean of labels"
        if positive is not None and metric in ("sensitivity", "specificity"):
            name += f" ({positive})"
        form = significant if metric == "mae" else two_decimals
        rows.append([printable(name), *(with_interval(**value, form=form) for value in values)])
    means = [metrics[who]["fold_mean"] for who in ("network", "head")]
    if None not in means:
        first = listed[0]
        row = [f"{_NAMES.get(first, first)}, mean of folds"]
        rows.insert(2, [*row, *(with_interval(**one[first]) for one in means)])
    return aligned(rows)


def _shortcuts(rows: "Sequence[ShortcutRow]") -> str:
    """Format what predicts the class without the network: all that is warned of, or the best."""
    from hrcam.artifacts.shortcut_table import ALL
    from hrcam.evaluation.estimate import with_interval

    ranked = sorted(rows, key=lambda row: -(row.auc or 0))
    shown = [row for row in ranked if row.warned] or ranked[:1]
    table = [["without the network, 95 % interval", "auc", "network minus this", ""]]
    for row in shown:
        told = "" if row.class_name == ALL else f", {row.class_name}"
        table.append(
            [
                printable(f"{row.source}{told}"),
                with_interval(row.auc, row.low, row.high),
                with_interval(row.difference, row.difference_low, row.difference_high),
                row.warned,
            ]
        )
    return aligned(table)
