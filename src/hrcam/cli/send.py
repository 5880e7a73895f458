"""`hrcam send`."""

from pathlib import Path
from typing import Annotated

import typer

from hrcam.cli.application import app, explained_errors
from hrcam.cli.terminal import printable


@app.command()
def send(
    context: typer.Context,
    maps: Annotated[Path, typer.Argument(help="Folder of maps with DICOM objects.")],
    pacs: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="The archive: http://HOST/dicom-web for DICOMweb, AE@HOST:PORT for C-STORE.",
        ),
    ],
    again: Annotated[
        bool, typer.Option("--again", help="Send also what the archive has already stored.")
    ] = False,
) -> None:
    """Send the DICOM objects of maps to an archive.

    What it has stored is listed in dicom_stored.tsv, and not sent again.
    """
    with explained_errors(
        context, "what the archive has stored is listed; the same command goes on"
    ):
        from hrcam.clinical.sending import send_objects

        report = send_objects(maps, pacs, again=again)
    for file, reason in report.refused:
        typer.echo(printable(f"refused  {file}  {reason}"))
    if report.refused:
        raise typer.Exit(1)
