"""`hrcam simulate`."""

from collections.abc import Callable
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hrcam.cli.application import app, explained_errors
from hrcam.cli.cluster_option import Scheduler, opened_cluster
from hrcam.errors import InputError

if TYPE_CHECKING:
    from hrcam.simulate import (
        LesionCohort,
        NeuromelaninCohort,
        SimulatedCohort,
        TumourCohort,
    )

simulate = typer.Typer(
    help="Write a simulated cohort: images, masks and a participants.tsv. Repeat a command to "
    "write only what is missing; with more subjects it adds them.",
    no_args_is_help=True,
)
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
    BIDS = "bids"


Out = Annotated[Path, typer.Option(help="Folder for the cohort.")]
Subjects = Annotated[int, typer.Option(min=1, help="Number of subjects, one image each.")]
Dimensions = Annotated[int, typer.Option(help="2 for slices, 3 for volumes.")]
Size = Annotated[
    int | None, typer.Option(help="Pixels along each edge.", show_default="128, in 3D 96")
]
TestFraction = Annotated[float, typer.Option(help="Fraction of each class in the test split.")]
Noise = Annotated[float, typer.Option(help="Noise, relative to the mean brain signal.")]
Format = Annotated[
    ImageFormat | None,
    typer.Option("--format", help="File format.", show_default="png, in 3D nifti"),
]
Seed = Annotated[int, typer.Option(min=0, help="Random seed.")]
Workers = Annotated[
    int | None, typer.Option(min=1, help="Number of processes.", show_default="one per core")
]


@simulate.command()
def lesions(
    context: typer.Context,
    out: Out,
    subjects: Subjects = 1000,
    dimensions: Dimensions = 2,
    size: Size = None,
    number: Annotated[
        tuple[int, int], typer.Option(help="Smallest and largest number of lesions.")
    ] = (1, 3),
    radius: Annotated[
        tuple[float, float], typer.Option(help="Smallest and largest radius, in voxels.")
    ] = (3.0, 8.0),
    contrast: Annotated[
        Contrast, typer.Option(help="How lesions differ from tissue.")
    ] = Contrast.BRIGHTER,
    strength: Annotated[float, typer.Option(help="Relative change of the signal.")] = 0.15,
    lesion_fraction: Annotated[
        float, typer.Option(help="Fraction of subjects with lesions.")
    ] = 0.5,
    sites: Annotated[
        int,
        typer.Option(
            min=1, max=3, help="Number of sites: 2 or 3 look different, and nearly tell the class."
        ),
    ] = 1,
    test_fraction: TestFraction = 0.2,
    noise: Noise = 0.03,
    image_format: Format = None,
    seed: Seed = 0,
    workers: Workers = None,
    scheduler: Scheduler = None,
) -> None:
    """Brain images, some of them with faint lesions."""

    def cohort() -> "LesionCohort":
        from hrcam.simulate import LesionCohort, MultiSiteLesionCohort

        kind = LesionCohort if sites == 1 else partial(MultiSiteLesionCohort, sites=sites)
        return kind(
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

    _write(context, cohort, out, workers, image_format, scheduler)


@simulate.command()
def tumours(
    context: typer.Context,
    out: Out,
    subjects: Subjects = 400,
    dimensions: Dimensions = 2,
    size: Size = None,
    glioblastoma_fraction: Annotated[
        float, typer.Option(help="Fraction of subjects with a glioblastoma.")
    ] = 0.5,
    test_fraction: TestFraction = 0.2,
    noise: Noise = 0.03,
    image_format: Format = None,
    seed: Seed = 0,
    workers: Workers = None,
    scheduler: Scheduler = None,
) -> None:
    """Ependymoma and glioblastoma on contrast-enhanced T1-weighted MRI, with compartments."""

    def cohort() -> "TumourCohort":
        from hrcam.simulate import TumourCohort

        return TumourCohort(
            dimensions=dimensions,
            subjects=subjects,
            size=size,
            glioblastoma_fraction=glioblastoma_fraction,
            test_fraction=test_fraction,
            noise=noise,
            seed=seed,
        )

    _write(context, cohort, out, workers, image_format, scheduler)


@simulate.command()
def neuromelanin(
    context: typer.Context,
    out: Out,
    subjects: Subjects = 80,
    patients: Annotated[
        int | None,
        typer.Option(min=0, help="Number of patients.", show_default="9 of 16 subjects"),
    ] = None,
    dimensions: Dimensions = 2,
    size: Annotated[int, typer.Option(help="Pixels along each edge, in plane.")] = 96,
    test_fraction: TestFraction = 0.2,
    noise: Noise = 0.05,
    image_format: Format = None,
    seed: Seed = 0,
    workers: Workers = None,
    scheduler: Scheduler = None,
) -> None:
    """Parkinson's disease on neuromelanin-sensitive MRI of the midbrain."""

    def cohort() -> "NeuromelaninCohort":
        from hrcam.simulate import NeuromelaninCohort

        if patients is not None and patients > subjects:
            raise InputError(f"patients is {patients}: use {subjects} or fewer, one per subject")
        return NeuromelaninCohort(
            dimensions=dimensions,
            subjects=subjects,
            size=size,
            patient_fraction=9 / 16 if patients is None else patients / subjects,
            test_fraction=test_fraction,
            noise=noise,
            seed=seed,
        )

    _write(context, cohort, out, workers, image_format, scheduler)


def _write(
    context: typer.Context,
    make: "Callable[[], SimulatedCohort]",
    out: Path,
    workers: int | None,
    image_format: ImageFormat | None,
    scheduler: str | None,
) -> None:
    with explained_errors(context, "finished subjects are kept; the same command goes on"):
        from hrcam.simulate import write_cohort

        cohort = make()
        with opened_cluster(scheduler) as cluster:
            table = write_cohort(
                cohort,
                out,
                workers,
                image_format=None if image_format is None else image_format.value,
                cluster=cluster,
            )
    typer.echo(f"{cohort.subjects} simulated subjects: {table}")
