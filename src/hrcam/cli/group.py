"""`hrcam group`."""

from pathlib import Path
from typing import Annotated

import typer

from hrcam.cli.application import app, explained_errors


@app.command()
def group(
    context: typer.Context,
    maps: Annotated[Path, typer.Argument(help="Folder of `hrcam map`, in one template space.")],
    out: Annotated[Path, typer.Option(help="Folder for the results.")],
    groups: Annotated[
        str | None,
        typer.Option(help="The two true classes to compare: A,B.", show_default="if there are two"),
    ] = None,
    class_name: Annotated[
        str | None,
        typer.Option("--class", help="Compare maps of this class.", show_default="the only one"),
    ] = None,
    covariates: Annotated[
        str | None, typer.Option(help="Columns of the table, as age,sex,site.", show_default=False)
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(help="Table with participant_id and covariates.", show_default=False),
    ] = None,
    space: Annotated[
        str | None,
        typer.Option(
            help="The template that the scans were normalised to.",
            show_default="from names or headers",
        ),
    ] = None,
    permutations: Annotated[int, typer.Option(min=1, help="Number of relabellings.")] = 5000,
    seed: Annotated[int, typer.Option(min=0, help="Random seed.")] = 0,
    workers: Annotated[int, typer.Option(min=1, help="Number of processes.")] = 1,
) -> None:
    """Test where the maps of two groups differ: voxels and clusters, with family-wise error."""
    with explained_errors(context, "nothing is kept of this comparison"):
        from hrcam.errors import InputError
        from hrcam.group import compare_groups
        from hrcam.group.page import significant

        pair = None if groups is None else tuple(name.strip() for name in groups.split(","))
        if pair is not None and (len(pair) != 2 or "" in pair or pair[0] == pair[1]):
            raise InputError(f"--groups is {groups!r}: name two classes, as patient,control")
        found = compare_groups(
            maps,
            out,
            groups=None if pair is None else (pair[0], pair[1]),
            of_class=class_name,
            covariates=[name.strip() for name in covariates.split(",")] if covariates else (),
            table=table,
            space=space,
            permutations=permutations,
            seed=seed,
            workers=workers,
        )
    sure = significant(found.clusters)
    typer.echo(f"{len(sure)} of {len(found.clusters)} clusters are significant: {out}/group.html")
