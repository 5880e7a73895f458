"""The command line: parse, call, print."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from hrcam import __version__
from hrcam.errors import HRCAMError
from hrcam.text_table import aligned

app = typer.Typer(
    name="hrcam",
    help="Class activation maps at the resolution of the image, for any CNN, in 2D and 3D.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
simulate = typer.Typer(help="Write a simulated cohort.", no_args_is_help=True)
app.add_typer(simulate, name="simulate")


class Contrast(StrEnum):
    """How simulated lesions differ from the tissue around them."""

    BRIGHTER = "brighter"
    DARKER = "darker"
    TEXTURE = "texture"


class ImageFormat(StrEnum):
    """How simulated images are stored."""

    PNG = "png"
    NIFTI = "nifti"


class _Echo(logging.Handler):
    """Shows what the library logs."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one message to the standard error stream of the moment."""
        typer.echo(record.getMessage(), err=True)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"hrcam {__version__}")
        raise typer.Exit


@app.callback()
def main(
    context: typer.Context,
    debug: Annotated[bool, typer.Option(help="Show the traceback of errors.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Set up what all commands share."""
    del version
    context.obj = debug
    logger = logging.getLogger("hrcam")
    logger.handlers[:] = [_Echo()]
    logger.setLevel(logging.INFO)


@contextmanager
def _explained_errors(context: typer.Context) -> Iterator[None]:
    """Turn errors a user can mend into one line and exit code 1; others are bugs, and loud."""
    try:
        yield
    except (HRCAMError, OSError) as error:  # a disk that is full, a folder that is not ours
        if context.obj:
            raise
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error


@app.command()
def demo(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="Folder for the report and everything else.")] = Path(
        "demo"
    ),
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 0,
    subjects: Annotated[int, typer.Option(min=40, help="Simulated images.")] = 2000,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the training images.")] = 8,
) -> None:
    """Do the whole job on a simulated cohort: train, map, compare, report."""
    from hrcam.demo import run_demo
    from hrcam.evaluation.contest import lead

    with _explained_errors(context):
        study = run_demo(out, subjects=subjects, epochs=epochs, seed=seed)
    typer.echo(f"\naccuracy of the CNN on test images: {study.accuracy:.3f}")
    typer.echo(f"fidelity of the HR-CAM head (R²):    {study.explainer.fidelity:.3f}\n")
    typer.echo(_plain(study.table.to_dict("records")))
    best = lead(study.scores, fused=False, seed=seed)
    typer.echo(
        f"\nAUPRC of the HR-CAM pattern over that of the best rival at its best level "
        f"({best.rival.name}): {best.ratio:.2f} ({best.low:.2f}–{best.high:.2f})"
    )
    typer.echo(f"the report: {out / 'report.html'}")


def _plain(rows: list[dict[str, object]]) -> str:
    """Lay out a localisation table for the terminal."""
    scores = ("auprc", "pointing", "dice")
    cells = [["method", "AUPRC", "pointing", "Dice"]]
    for row in rows:
        values = (
            f"{row[score]:.2f} ({row[f'{score}_low']:.2f}–{row[f'{score}_high']:.2f})"
            for score in scores
        )
        cells.append([str(row["method"]), *values])
    return aligned(cells)


@simulate.command()
def lesions(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="Folder for the cohort.")],
    subjects: Annotated[int, typer.Option(min=1, help="Images, one per subject.")] = 1000,
    dimensions: Annotated[int, typer.Option(help="2 for slices, 3 for volumes.")] = 2,
    size: Annotated[
        int | None, typer.Option(help="Pixels along each edge.", show_default="128, in 3D 96")
    ] = None,
    number: Annotated[tuple[int, int], typer.Option(help="Fewest and most lesions.")] = (1, 3),
    radius: Annotated[
        tuple[float, float], typer.Option(help="Smallest and largest, in voxels.")
    ] = (
        3.0,
        8.0,
    ),
    contrast: Annotated[Contrast, typer.Option(help="How lesions differ.")] = Contrast.BRIGHTER,
    strength: Annotated[float, typer.Option(help="Relative change of the signal.")] = 0.15,
    lesion_fraction: Annotated[float, typer.Option(help="Share of subjects with lesions.")] = 0.5,
    test_fraction: Annotated[float, typer.Option(help="Share of the split “test”.")] = 0.2,
    noise: Annotated[float, typer.Option(help="Relative to the mean brain signal.")] = 0.03,
    image_format: Annotated[
        ImageFormat | None,
        typer.Option("--format", help="File format.", show_default="png, in 3D nifti"),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 0,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes.", show_default="one per core")
    ] = None,
) -> None:
    """Brain images of which some have faint lesions, with masks and a participants.tsv.

    A second run of the same command writes only what is missing.
    """
    from hrcam.simulate import LesionCohort, write_cohort

    with _explained_errors(context):
        cohort = LesionCohort(
            dimensions=dimensions,
            subjects=subjects,
            size=size,
            number=number,
            radius=radius,
            contrast=contrast.value,
            strength=strength,
            lesion_fraction=lesion_fraction,
            test_fraction=test_fraction,
            noise=noise,
            seed=seed,
        )
        table = write_cohort(
            cohort, out, workers, image_format=None if image_format is None else image_format.value
        )
    typer.echo(f"{subjects} simulated subjects: {table}")
