"""`hrcam map`."""

from pathlib import Path
from typing import Annotated

import typer

from hrcam.cli.application import app, explained_errors
from hrcam.cli.cohort_options import Desc, GroupBy, Space, Suffix
from hrcam.cli.terminal import print_problems


@app.command(name="map")
def map_(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(help="Folder of a finished training.")],
    images: Annotated[
        Path, typer.Argument(metavar="INPUT", help="A cohort, an image, or a DICOM folder.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the maps.")],
    class_name: Annotated[
        str | None,
        typer.Option(
            "--class", help="Name of the class to explain.", show_default="the predicted one"
        ),
    ] = None,
    shard: Annotated[
        str | None, typer.Option(help="3/10: the third of ten parts, to map in ten jobs.")
    ] = None,
    suffix: Suffix = None,
    space: Space = None,
    desc: Desc = None,
    group_by: GroupBy = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Exit code 0 also if scans could not be mapped.")
    ] = False,
) -> None:
    """Write maps of scans in each image's own space.

    Bad scans are listed in failures.tsv and stop no other. The same command again maps what is
    missing.
    """
    with explained_errors(context):
        from hrcam.mapping import map_scans, open_input
        from hrcam.training import Run

        trained = Run.open(run)
        cohort = open_input(
            images,
            suffix=suffix,
            space=space,
            desc=desc,
            group_by=group_by,
            trained=trained.config,
        )
        report = map_scans(
            trained,
            cohort.scans,
            out,
            classes=class_name,
            shard=_shard(shard),
            refused=cohort.problems,
        )
    print_problems(report.failed)
    typer.echo(f"the maps: {out}")
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
