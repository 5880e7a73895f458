"""`hrcam train`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from hrcam.cli.application import app, explained_errors
from hrcam.cli.cohort_options import ColourChoice, Colours, Desc, GroupBy, Space, Suffix
from hrcam.cli.terminal import aligned, print_problems, printable


class HeadChoice(StrEnum):
    """How HR-CAM's head is learnt."""

    LABELS = "labels"
    LOGITS = "logits"
    JOINT = "joint"


@app.command()
def train(
    context: typer.Context,
    cohort: Annotated[Path, typer.Argument(help="Folder or table of images with labels.")],
    out: Annotated[Path, typer.Option(help="Folder for the run.")],
    network: Annotated[
        str, typer.Option(help="small, or a network of MONAI: resnet18, densenet121, ...")
    ] = "small",
    weights: Annotated[
        Path | None, typer.Option(help="Local file with the network's weights to start from.")
    ] = None,
    head: Annotated[
        HeadChoice,
        typer.Option(help="What HR-CAM's head learns: the labels, the CNN's logits, or jointly."),
    ] = HeadChoice.LOGITS,
    folds: Annotated[int, typer.Option(min=2, help="Parts of the cross-validation.")] = 5,
    validation: Annotated[
        float, typer.Option(min=0, max=0.49, help="Share of subjects that say when to stop.")
    ] = 0.15,
    epochs: Annotated[
        int | None,
        typer.Option(
            min=1, help="Most passes over the images.", show_default="for about 2400 steps"
        ),
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Epochs without a lower validation loss before training stops.",
            show_default="half of the epochs",
        ),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=2, help="Images in each step.")] = 16,
    learning_rate: Annotated[
        float, typer.Option(min=1e-9, help="Largest learning rate of the cycle.")
    ] = 2e-3,
    shape: Annotated[
        str | None,
        typer.Option(help="Voxels of the grid, as 96x112x96.", show_default="from the cohort"),
    ] = None,
    spacing: Annotated[
        str | None,
        typer.Option(help="Of the grid in mm, as 1x1x1.", show_default="from the cohort"),
    ] = None,
    positive: Annotated[
        str | None,
        typer.Option(
            help="Of two classes the one that sensitivity is of.",
            show_default="the one that is not called control, healthy or the like",
        ),
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            help="Class that maps compare the others with.",
            show_default="the one that is called control, healthy or the like",
        ),
    ] = None,
    bootstrap: Annotated[
        int, typer.Option(min=0, help="Refits of the head, for the deviation of the maps.")
    ] = 0,
    suffix: Suffix = None,
    space: Space = None,
    desc: Desc = None,
    group_by: GroupBy = None,
    colour: Colours = ColourChoice.LUMINANCE,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave refused scans out, and list them.")
    ] = False,
    accelerator: Annotated[str, typer.Option(help="auto, cpu, gpu, mps, ...")] = "auto",
    devices: Annotated[int, typer.Option(min=1, help="Number of GPUs.")] = 1,
    precision: Annotated[
        str, typer.Option(help="auto: mixed on a GPU; or as Lightning takes it, as bf16-mixed.")
    ] = "auto",
    workers: Annotated[
        int | None, typer.Option(min=1, help="For reading.", show_default="one per core")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 0,
) -> None:
    """Train a classifier with HR-CAM on a cohort, cross-validated by subject.

    The same command again goes on where it was interrupted.
    """
    with explained_errors(context):
        from hrcam.cohort import open_cohort
        from hrcam.cohort.problems import RefusedScansError
        from hrcam.report.cohort_report import write_cohort_report
        from hrcam.training import Hardware, TrainingConfig, train_cohort

        config = TrainingConfig(
            network=network,
            weights=weights,
            head=head.value,
            folds=folds,
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
            bootstrap=bootstrap,
            seed=seed,
        )
        hardware = Hardware(
            accelerator=accelerator, devices=devices, precision=precision, workers=workers
        )
        try:
            report = train_cohort(
                open_cohort(
                    cohort,
                    suffix=suffix,
                    space=space,
                    desc=desc,
                    group_by=group_by,
                    colour=colour.value,
                ),
                out,
                config,
                hardware=hardware,
                skip_bad=skip_bad,
                on_checked=lambda checked: print_problems(checked.problems, err=True),
            )
        except RefusedScansError as error:
            print_problems(error.problems, err=True)
            raise
        page = write_cohort_report(out, None, out / "report.html")
    typer.echo(_summary(report.metrics))
    typer.echo(f"the run: {out}")
    typer.echo(f"metrics and curves: {page}")


def _sizes(text: str | None, name: str, number: type[Any]) -> tuple[Any, ...] | None:
    from hrcam.errors import InputError

    if text is None:
        return None
    try:
        return tuple(number(part) for part in text.split("x"))
    except ValueError as error:
        raise InputError(f"--{name} is {text!r}: write it as 96x112x96") from error


def _summary(metrics: dict[str, Any]) -> str:
    """Lay out the pooled metrics of network and head."""
    from hrcam.evaluation.estimate import with_interval

    rows = [[f"{metrics['source']}, 95 % interval", "network", "HR-CAM head"]]
    positive = metrics["positive_class"]
    for metric in (
        "auc",
        "accuracy",
        "balanced_accuracy",
        "sensitivity",
        "specificity",
        "calibration_error",
    ):
        values = [metrics[who]["pooled"][metric] for who in ("network", "head")]
        name = metric.replace("_", " ")
        if positive is not None and metric in ("sensitivity", "specificity"):
            name += f" ({positive})"
        rows.append([printable(name), *(with_interval(**value) for value in values)])
    means = [metrics[who]["fold_mean"] for who in ("network", "head")]
    if None not in means:
        rows.insert(2, ["auc, mean of folds", *(with_interval(**one["auc"]) for one in means)])
    return aligned(rows)
