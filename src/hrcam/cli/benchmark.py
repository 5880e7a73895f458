"""`hrcam benchmark`."""

import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from hrcam.cli.application import app, explained_errors
from hrcam.cli.terminal import print_problems, printable
from hrcam.errors import InputError


class SuiteChoice(StrEnum):
    """How much is measured."""

    QUICK = "quick"
    FULL = "full"


@app.command()
def benchmark(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="Folder for tables, figures, the page and all else.")],
    suite: Annotated[
        SuiteChoice,
        typer.Option(help="quick: small simulated cohorts, one seed; full: as reported, 3 seeds."),
    ] = SuiteChoice.QUICK,
    cohort: Annotated[
        list[str] | None,
        typer.Option(help="A further cohort, of your own, as NAME=PATH; may be repeated."),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(help="Measure this cohort alone, by its name; may be repeated."),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Trainings of each.", show_default="1; full: 3")
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave refused scans out, and list them.")
    ] = False,
    accelerator: Annotated[str, typer.Option(help="auto, cpu, gpu, mps, ...")] = "auto",
    precision: Annotated[
        str,
        typer.Option(
            help="Of trainings; auto: mixed on a GPU, and for simulated 2D images on a CPU; or as "
            "Lightning takes it."
        ),
    ] = "auto",
    workers: Annotated[
        int | None, typer.Option(min=1, help="For reading.", show_default="one per core")
    ] = None,
) -> None:
    """Measure HR-CAM against every rival, on simulated cohorts and on your own.

    The same command again goes on where it was interrupted.
    """
    with explained_errors(context):
        from hrcam.benchmark.job import run_benchmark
        from hrcam.benchmark.suite import plan_suite
        from hrcam.cohort.problems import RefusedScansError
        from hrcam.training import Hardware

        plan = plan_suite(suite.value, _named(cohort or ()), only or (), seeds)
        hardware = Hardware(accelerator=accelerator, precision=precision, workers=workers)
        try:
            summary = run_benchmark(
                out,
                plan,
                hardware=hardware,
                skip_bad=skip_bad,
                command=("hrcam", *sys.argv[1:]),
            )
        except RefusedScansError as error:
            print_problems(error.problems, err=True)
            raise
    typer.echo(printable(summary.lead))
    typer.echo(f"tables: {out / 'table.md'}, {out / 'summary.csv'}")
    typer.echo(f"the page: {summary.page}")


def _named(cohorts: Sequence[str]) -> dict[str, Path]:
    """Take NAME=PATH apart."""
    found: dict[str, Path] = {}
    for text in cohorts:
        name, given, path = text.partition("=")
        if not given or not path:
            raise InputError(f"--cohort is {text!r}: write it as NAME=PATH")
        if name in found:
            raise InputError(f"two cohorts are called {name!r}: give each its own name")
        found[name] = Path(path)
    return found
