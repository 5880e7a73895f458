"""`hrcam report`."""

from pathlib import Path
from typing import Annotated

import typer

from hrcam.cli.application import app, explained_errors


@app.command()
def report(
    context: typer.Context,
    source: Annotated[
        Path, typer.Argument(metavar="RUN|MAPS", help="Folder of `hrcam train` or `hrcam map`.")
    ],
    out: Annotated[Path, typer.Option(help="HTML file to write.")],
    maps: Annotated[
        Path | None,
        typer.Option(help="Folder of `hrcam map`, in addition to a RUN.", show_default=False),
    ] = None,
    subjects: Annotated[
        int | None,
        typer.Option(
            min=1, help="Most scans to show.", show_default="100 pictures or slices, 30 volumes"
        ),
    ] = None,
) -> None:
    """Write one HTML page of a cohort: predictions, and each scan with its maps. Works offline."""
    with explained_errors(context, "no page was written; the same command begins again"):
        from hrcam.artifacts.maps_folder import is_maps
        from hrcam.artifacts.run_folder import is_run
        from hrcam.errors import InputError
        from hrcam.report.cohort_report import write_cohort_report

        if is_run(source):
            run: Path | None = source
        elif maps is None and is_maps(source):
            run, maps = None, source
        else:
            wanted = "of `hrcam train` or `hrcam map`" if maps is None else "of `hrcam train`"
            raise InputError(f"{source} is not a folder {wanted}")
        write_cohort_report(run, maps, out, subjects=subjects)
    typer.echo(f"report: {out}")
