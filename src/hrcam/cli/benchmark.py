"""`hrcam benchmark`."""

import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from hrcam.cli.application import app, explained_errors
from hrcam.cli.cluster_option import Scheduler, opened_cluster
from hrcam.cli.terminal import print_problems, printable
from hrcam.errors import InputError


class SuiteChoice(StrEnum):
    """Size of the benchmark."""

    QUICK = "quick"
    FULL = "full"


@app.command()
def benchmark(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="Folder for all results.")],
    suite: Annotated[
        SuiteChoice,
        typer.Option(help="quick: small simulated cohorts, 1 seed; full: as reported, 3 seeds."),
    ] = SuiteChoice.QUICK,
    cohort: Annotated[
        list[str] | None,
        typer.Option(help="Add a cohort of your own, as NAME=PATH; repeatable."),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(help="Measure only this cohort, by name; repeatable."),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(min=1, help="Number of seeds per cohort.", show_default="1; full: 3"),
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out refused scans, and list them.")
    ] = False,
    accelerator: Annotated[str, typer.Option(help="auto, cpu, gpu, mps, ...")] = "auto",
    precision: Annotated[
        str,
        typer.Option(
            help="Precision of training: auto (mixed on a GPU, and for simulated 2D images on a "
            "CPU), or a value of Lightning."
        ),
    ] = "auto",
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Processes that read images.", show_default="one per core"),
    ] = None,
    scheduler: Scheduler = None,
) -> None:
    """Compare HR-CAM with other methods, on simulated cohorts and on your own.

    Repeat the command to resume an interrupted benchmark.
    """
    with explained_errors(context, "finished epochs and parts are kept; the same command goes on"):
        from hrcam.benchmark.job import run_benchmark
        from hrcam.benchmark.suite import plan_suite
        from hrcam.cohort.problems import RefusedScansError
        from hrcam.training import Hardware

        plan = plan_suite(suite.value, _named(cohort or ()), only or (), seeds)
        hardware = Hardware(accelerator=accelerator, precision=precision, workers=workers)
        try:
            with opened_cluster(scheduler) as cluster:
                summary = run_benchmark(
                    out,
                    plan,
                    hardware=hardware,
                    skip_bad=skip_bad,
                    command=("hrcam", *sys.argv[1:]),
                    cluster=cluster,
                )
        except RefusedScansError as error:
            print_problems(error.problems, err=True)
            raise
    typer.echo(printable(summary.text))
    typer.echo(f"tables: {out / 'table.md'}, {out / 'summary.csv'}")
    typer.echo(f"report: {summary.page}")


def _named(cohorts: Sequence[str]) -> dict[str, Path]:
    """Split each NAME=PATH."""
    found: dict[str, Path] = {}
    for text in cohorts:
        name, given, path = text.partition("=")
        if not given or not path:
            raise InputError(f"--cohort is {text!r}: write it as NAME=PATH")
        if name in found:
            raise InputError(f"two cohorts are named {name!r}: give them different names")
        found[name] = Path(path)
    return found
