"""`hrcam map`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from hrcam.cli.application import app, explained_errors
from hrcam.cli.cluster_option import Scheduler, opened_cluster
from hrcam.cli.cohort_options import (
    CACHE_SIZE,
    CacheSize,
    Desc,
    GroupBy,
    ImageColumn,
    LabelColumn,
    NoCache,
    Space,
    Suffix,
    cache_of,
)
from hrcam.cli.terminal import print_problems, print_unlike


class DtypeChoice(StrEnum):
    """Data type of the values of maps."""

    INT16 = "int16"
    FLOAT32 = "float32"


@app.command(name="map")
def map_(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(help="Folder of a finished training.")],
    images: Annotated[
        Path, typer.Argument(metavar="INPUT", help="A cohort, an image file, or a DICOM folder.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the maps.")],
    class_name: Annotated[
        str | None,
        typer.Option("--class", help="Class to explain.", show_default="the predicted class"),
    ] = None,
    all_classes: Annotated[
        bool, typer.Option("--all-classes", help="Maps of the other classes too.")
    ] = False,
    maps: Annotated[
        str, typer.Option(help="Maps to write: pattern, with evidence and std or without.")
    ] = "pattern,evidence,std",
    dtype: Annotated[
        DtypeChoice, typer.Option(help="Rounded to 1/1000 of the largest value, or all digits.")
    ] = DtypeChoice.INT16,
    dicom: Annotated[
        bool, typer.Option("--dicom", help="Also write DICOM objects, of images that are DICOM.")
    ] = False,
    split: Annotated[
        str | None,
        typer.Option(help="Only scans that the table has in this split, e.g. test."),
    ] = None,
    subjects: Annotated[
        str | None,
        typer.Option(help="Only these scans or participants: a,b,c or a text file, one a line."),
    ] = None,
    shard: Annotated[
        str | None, typer.Option(help="Map one of several parts, e.g. 3/10 the third of ten.")
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            min=1, help="Scans that are explained at once.", show_default="by the size of the grid"
        ),
    ] = None,
    accelerator: Annotated[str, typer.Option(help="auto, cpu, gpu, mps, ...")] = "auto",
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, help="Processes that read images, and threads.", show_default="one per core"
        ),
    ] = None,
    suffix: Suffix = None,
    space: Space = None,
    desc: Desc = None,
    group_by: GroupBy = None,
    label_column: LabelColumn = None,
    image_column: ImageColumn = None,
    author: Annotated[
        list[str] | None,
        typer.Option(
            help="An author of the maps; give it several times.", show_default="those of the images"
        ),
    ] = None,
    cache_size: CacheSize = CACHE_SIZE,
    no_cache: NoCache = False,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Exit with code 0 even if some scans failed.")
    ] = False,
    scheduler: Scheduler = None,
) -> None:
    """Write maps of scans, each in the space of its own image.

    Scans that fail are listed in failures.tsv; the others are still mapped. Repeat the command to
    map only what is missing.
    """
    with explained_errors(context, "finished maps are kept; the same command goes on"):
        from hrcam.mapping import Form, map_scans, open_input, select_scans
        from hrcam.training import Hardware, Run

        trained = Run.open(run)
        cohort = open_input(
            images,
            suffix=suffix,
            space=space,
            desc=desc,
            group_by=group_by,
            label_column=label_column,
            image_column=image_column,
            trained=trained.config,
        )
        with opened_cluster(scheduler) as cluster:
            report = map_scans(
                trained,
                cohort.scans,
                out,
                classes=class_name,
                all_classes=all_classes,
                form=Form(
                    tuple(name.strip() for name in maps.split(",")),
                    dtype.value,
                    dicom,
                ),
                only=select_scans(cohort.scans, split=split, subjects=subjects),
                shard=_shard(shard),
                refused=cohort.problems,
                authors=author or (),
                batch_size=batch_size,
                hardware=Hardware(accelerator=accelerator, workers=workers),
                cache=cache_of(run, cache_size, no_cache),
                cluster=cluster,
            )
    print_problems(report.failed)
    print_unlike(report.unlike)
    typer.echo(f"maps: {out}")
    if report.failed and not skip_bad:
        raise typer.Exit(1)


def _shard(text: str | None) -> tuple[int, int] | None:
    from hrcam.errors import InputError

    if text is None:
        return None
    index, _, count = text.partition("/")
    if not (index.isdecimal() and count.isdecimal()):
        raise InputError(f"--shard is {text!r}: write it as 3/10")
    return int(index), int(count)
