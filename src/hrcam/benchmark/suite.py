"""Suites: which cohorts a benchmark measures, how large, how long trained, on how many images."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from hrcam.cohort.naming import safe_name
from hrcam.errors import InputError
from hrcam.simulate import LesionCohort, NeuromelaninCohort, SimulatedCohort, TumourCohort
from hrcam.training import TrainingConfig

SuiteName = Literal["quick", "full"]


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How many images the costly measurements take.

    Attributes
    ----------
    images
        Most images with a mask that are mapped by every method, and most without a lesion.
    attributions
        Most of them for Integrated gradients, SmoothGrad and Occlusion.
    faithfulness, robustness
        Most of them for these.
    ceiling_epochs
        Passes over the images with masks for the U-Net that learns from them; None for its own.
    comparison_epochs
        Of the two networks that robustness is measured with, on up to 160 images.
    """

    images: int
    attributions: int
    faithfulness: int
    robustness: int
    comparison_epochs: int
    ceiling_epochs: int | None = None


@dataclass(frozen=True, kw_only=True)
class PlannedCohort:
    """One cohort of a suite.

    Attributes
    ----------
    name
        Of its folders, and in all tables.
    source
        What to simulate, or where its files are.
    training
        Of its networks; head and seed are the unit's.
    cross_validated
        Leave out the split that a simulated cohort's table has.
    effort
        How many images are measured.
    """

    name: str
    source: SimulatedCohort | Path
    training: TrainingConfig
    effort: Effort
    cross_validated: bool = False


@dataclass(frozen=True)
class Suite:
    """What ``hrcam benchmark`` does.

    Attributes
    ----------
    name
        "quick" shows that all works, and the order of methods; "full" is what is reported.
    seeds
        Number of seeds, from 0, that every cohort is trained with.
    cohorts
        In the order in which they are measured.
    """

    name: SuiteName
    seeds: int
    cohorts: tuple[PlannedCohort, ...]


def _short(epochs: int, batch_size: int = 16) -> TrainingConfig:
    """Train to the end: after a few epochs without progress a network may still begin to learn."""
    return TrainingConfig(epochs=epochs, patience=epochs, batch_size=batch_size)


_QUICK = Effort(
    images=40, attributions=8, faithfulness=4, robustness=8, comparison_epochs=8, ceiling_epochs=5
)
_FULL = Effort(images=400, attributions=60, faithfulness=40, robustness=40, comparison_epochs=40)
_FULL_VOLUMES = replace(
    _FULL, images=40, attributions=8, faithfulness=8, robustness=6, comparison_epochs=20
)

_GIVEN = {
    "quick": (_short(10), _QUICK),
    "full": (TrainingConfig(), _FULL),
}
"""How cohorts that are given by their path are trained and measured."""


def _quick() -> Suite:
    return Suite(
        "quick",
        1,
        (
            PlannedCohort(
                name="lesions",
                source=LesionCohort(subjects=800, size=96, strength=0.25),
                training=_short(14),
                effort=_QUICK,
            ),
            PlannedCohort(
                name="tumours",
                source=TumourCohort(subjects=800, size=96),
                training=_short(12),
                effort=_QUICK,
            ),
            PlannedCohort(
                name="neuromelanin",
                source=NeuromelaninCohort(subjects=80, size=64),
                training=_short(30, batch_size=8),
                effort=replace(_QUICK, ceiling_epochs=15),  # few images, few steps
                cross_validated=True,
            ),
        ),
    )


def _full() -> Suite:
    return Suite(
        "full",
        3,
        (
            PlannedCohort(
                name="lesions",
                source=LesionCohort(subjects=8000, strength=0.25),
                training=TrainingConfig(),
                effort=_FULL,
            ),
            PlannedCohort(
                name="lesions-3d",
                source=LesionCohort(
                    dimensions=3, subjects=600, size=48, strength=0.4, radius=(3, 6)
                ),
                training=_short(30, batch_size=8),
                effort=_FULL_VOLUMES,
            ),
            PlannedCohort(
                name="tumours",
                source=TumourCohort(subjects=3000),
                training=TrainingConfig(),
                effort=_FULL,
            ),
            PlannedCohort(
                name="neuromelanin",
                source=NeuromelaninCohort(subjects=80),
                training=TrainingConfig(),
                effort=_FULL,
                cross_validated=True,
            ),
            PlannedCohort(
                name="neuromelanin-large",
                source=NeuromelaninCohort(subjects=2000),
                training=TrainingConfig(),
                effort=_FULL,
            ),
        ),
    )


_SUITES = {"quick": _quick, "full": _full}


def plan_suite(
    name: SuiteName,
    given: Mapping[str, Path] | None = None,
    only: Iterable[str] = (),
    seeds: int | None = None,
) -> Suite:
    """Choose what a benchmark measures.

    Parameters
    ----------
    name
        "quick" or "full".
    given
        Further cohorts, in files, by the name that they are to have.
    only
        Names of the cohorts to measure; none for all.
    seeds
        How many seeds; None for as many as the suite has.

    Returns
    -------
    Suite

    Raises
    ------
    InputError
        If there is no such suite or cohort, a name is taken or cannot be that of a folder, or
        there is no seed.
    """
    if name not in _SUITES:
        raise InputError(f"there is no suite {name!r}: use one of {', '.join(_SUITES)}")
    suite = _SUITES[name]()
    training, effort = _GIVEN[name]
    taken = {one.name for one in suite.cohorts}
    cohorts = list(suite.cohorts)
    for label, path in (given or {}).items():
        if label.casefold() in taken:
            raise InputError(f"there is a cohort {label!r} already: choose another name")
        if safe_name(label) != label:
            raise InputError(
                f"a cohort cannot be called {label!r}: use letters, digits, '-', '_' and '.', and "
                "begin with a letter or a digit"
            )
        taken.add(label.casefold())
        cohorts.append(PlannedCohort(name=label, source=path, training=training, effort=effort))
    wanted = tuple(only)
    known = [one.name for one in cohorts]
    unknown = [one for one in wanted if one not in known]
    if unknown:
        raise InputError(
            f"there is no cohort {unknown[0]!r} to measure alone: use one of {', '.join(known)}, "
            "or give it with --cohort NAME=PATH"
        )
    if seeds is not None and seeds < 1:
        raise InputError(f"seeds is {seeds}: use 1 or more")
    return replace(
        suite,
        seeds=seeds or suite.seeds,
        cohorts=tuple(one for one in cohorts if not wanted or one.name in wanted),
    )
