"""`hrcam check`."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hrcam.cli.application import app, explained_errors
from hrcam.cli.cluster_option import Scheduler, opened_cluster
from hrcam.cli.cohort_options import (
    ColourChoice,
    Colours,
    Desc,
    GroupBy,
    ImageColumn,
    LabelColumn,
    Space,
    Suffix,
    Task,
    TaskChoice,
)
from hrcam.cli.terminal import print_problems, printable

if TYPE_CHECKING:
    from hrcam.cohort.check import CheckReport
    from hrcam.cohort.fingerprint import Fingerprint, Spread


@app.command()
def check(
    context: typer.Context,
    cohort: Annotated[
        Path,
        typer.Argument(help="Folder with a participants.tsv or class folders, a table, or BIDS."),
    ],
    task: Task = TaskChoice.CLASSIFICATION,
    suffix: Suffix = None,
    space: Space = None,
    desc: Desc = None,
    group_by: GroupBy = None,
    label_column: LabelColumn = None,
    image_column: ImageColumn = None,
    colour: Colours = ColourChoice.LUMINANCE,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write all results to this JSON file.")
    ] = None,
    plan: Annotated[
        Path | None,
        typer.Option(
            help="Write a plan of the training to this file, to edit and give to `hrcam train "
            "--plan`."
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Number of processes.", show_default="one per core")
    ] = None,
    scheduler: Scheduler = None,
) -> None:
    """Check every image of a cohort; list each problem and how to solve it.

    The exit code is 1 if anything was refused.
    """
    with explained_errors(context, "the check keeps nothing; the same command begins again"):
        from hrcam.artifacts.atomic import check_writable, write_atomically
        from hrcam.artifacts.formats import encode_json
        from hrcam.artifacts.plan_file import check_new_plan
        from hrcam.cohort import check_cohort, open_cohort

        if json_file is not None:
            check_writable(json_file.parent)
        if plan is not None:
            check_new_plan(plan)
            check_writable(plan.parent)
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
        with opened_cluster(scheduler) as cluster:
            report = check_cohort(opened, task=task.value, workers=workers, cluster=cluster)
        if json_file is not None:
            write_atomically(json_file, encode_json(report.to_json()))
        if plan is not None:
            _write_plan(plan, report, task)
    print_problems(report.problems)
    if report.problems:
        typer.echo()
    for line in _summary(report.fingerprint):
        typer.echo(line)
    if report.refused:
        typer.echo(f"\nrefused      {len(report.refused)}, listed above", err=True)
        raise typer.Exit(1)


def _write_plan(path: Path, report: "CheckReport", task: TaskChoice) -> None:
    from hrcam.artifacts.plan_file import write_plan_file
    from hrcam.training import TrainingConfig, make_plan

    plan = make_plan(report, TrainingConfig(task=task.value))
    write_plan_file(path, plan.model_dump(mode="json"), plan.reasons)


def _summary(found: "Fingerprint") -> Iterator[str]:
    """Yield the lines that summarise a fingerprint."""
    from hrcam.cohort.image import PLACED

    yield f"accepted     {found.scans} scans of {_participants(found)}"
    if found.shape is None:
        return
    yield f"channels     {printable(', '.join(found.channels))}"
    yield f"format       {_counted(found.formats)}"
    yield f"shape        {_spread(found.shape)}"
    if set(found.formats) & PLACED:
        yield f"voxel size   {_spread(found.spacing)} mm"
    yield f"foreground   {_spread(found.foreground)}"
    if set(found.orientations) != {"n/a"}:
        yield f"orientation  {_counted(found.orientations)}"
    colours = len(found.intensities) == 3 * len(found.channels)
    channels = [
        f"{name} {colour}".rstrip()
        for name in found.channels
        for colour in (("red", "green", "blue") if colours else ("",))
    ]
    for channel, percentiles in zip(channels, found.intensities, strict=False):
        middle = ", ".join(f"{name} {values[1]:.4g}" for name, values in percentiles.items())
        yield f"intensities  {printable(channel)}: {middle} (medians of percentiles)"
    if found.values is not None:
        yield f"value        {_spread(found.values)}"
    elif found.labels:
        for name, (having, lacking) in found.labels.items():
            yield f"label        {printable(name)}: {having} with it, {lacking} without it"
    else:
        yield f"class        {_counted(found.classes)}"
    for site, classes in found.classes_by_site.items():
        yield f"site         {printable(site)}: {_counted(classes)}"
    if set(found.splits) != {"n/a"}:
        yield f"split        {_counted(found.splits)}"
    yield f"masks        {found.masks}"
    if found.duplicates:
        yield f"duplicates   {len(found.duplicates)} images in several scans"


def _participants(found: "Fingerprint") -> str:
    if found.likely_participants == found.participants:
        return f"{found.participants} participants"
    return (
        f"{found.likely_participants} to {found.participants} participants: names share stems, see "
        "split-leak above"
    )


def _counted(counts: Mapping[str, int]) -> str:
    return printable(", ".join(f"{name} {count}" for name, count in counts.items()))


def _spread(spread: "Spread | None") -> str:
    if spread is None:
        return ""
    low, middle, high = (
        " × ".join(f"{value:.4g}" for value in end)
        for end in (spread.minimum, spread.median, spread.maximum)
    )
    return middle if low == high else f"{middle} ({low} to {high})"
