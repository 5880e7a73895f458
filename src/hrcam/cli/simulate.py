"""`hrcam simulate`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from hrcam.cli.application import app, explained_errors

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
    test_fraction: Annotated[float, typer.Option(help="Share of each class for testing.")] = 0.2,
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

    A second run of the same command writes only what is missing; with more subjects it adds them.
    """
    from hrcam.simulate import LesionCohort, write_cohort

    with explained_errors(context):
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
