"""Suites of a benchmark: cohorts, trainings, and numbers of measured images."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from hrcam.cohort.naming import safe_name
from hrcam.errors import InputError
from hrcam.simulate import LesionCohort, NeuromelaninCohort, SimulatedCohort, TumourCohort
from hrcam.training import TrainingConfig

SuiteName = Literal["quick", "full"]


@dataclass(frozen=True, kw_only=True)
class MeasurementSizes:
    """Numbers of images and epochs of the measurements.

    Attributes
    ----------
    images
        Largest number of images with a mask, and without a lesion, mapped by every method.
    attributions
        Largest number for Integrated gradients, SmoothGrad and Occlusion.
    faithfulness, robustness
        Largest number for these measurements.
    unet_epochs
        Training epochs of the U-Net; None for its default.
    comparison_epochs
        Training epochs of the two comparison networks, on up to 160 images.
    """

    images: int
    attributions: int
    faithfulness: int
    robustness: int
    comparison_epochs: int
    unet_epochs: int | None = None

    def to_json(self) -> dict[str, int | None]:
        """Return the content of ``unit.json`` under "effort", which tells units apart."""
        content = asdict(self)
        # The key that finished units have.
        content["ceiling_epochs"] = content.pop("unet_epochs")
        return content


@dataclass(frozen=True, kw_only=True)
class PlannedCohort:
    """One cohort of a suite.

    Attributes
    ----------
    name
        Name in folders and tables.
    source
        Parameters of a simulated cohort, or the path of a cohort.
    training
        Options of the training; head and seed are set by the unit.
    cross_validated
        Ignore the split of the table and cross-validate.
    sizes
        Numbers of measured images.
    """

    name: str
    source: SimulatedCohort | Path
    training: TrainingConfig
    sizes: MeasurementSizes
    cross_validated: bool = False


@dataclass(frozen=True)
class Suite:
    """The cohorts and seeds of a benchmark.

    Attributes
    ----------
    name
        "quick" is a functional test; "full" gives reported results.
    seeds
        Number of seeds per cohort, from 0.
    cohorts
        Cohorts in the order of measurement.
    """

    name: SuiteName
    seeds: int
    cohorts: tuple[PlannedCohort, ...]


def _short(epochs: int, batch_size: int = 16) -> TrainingConfig:
    """Train without early stopping, because a network may learn nothing in its first epochs."""
    return TrainingConfig(epochs=epochs, patience=epochs, batch_size=batch_size)


_QUICK = MeasurementSizes(
    images=40, attributions=8, faithfulness=4, robustness=8, comparison_epochs=8, unet_epochs=5
)
_FULL = MeasurementSizes(
    images=400, attributions=60, faithfulness=40, robustness=40, comparison_epochs=40
)
_FULL_VOLUMES = replace(
    _FULL, images=40, attributions=8, faithfulness=8, robustness=6, comparison_epochs=20
)

_GIVEN = {
    "quick": (_short(10), _QUICK),
    "full": (TrainingConfig(), _FULL),
}
"""Training and sizes for cohorts given by path."""


def _quick() -> Suite:
    return Suite(
        "quick",
        1,
        (
            PlannedCohort(
                name="lesions",
                source=LesionCohort(subjects=800, size=96, strength=0.25),
                training=_short(14),
                sizes=_QUICK,
            ),
            PlannedCohort(
                name="tumours",
                source=TumourCohort(subjects=800, size=96),
                training=_short(12),
                sizes=_QUICK,
            ),
            PlannedCohort(
                name="neuromelanin",
                source=NeuromelaninCohort(subjects=80, size=64),
                training=_short(30, batch_size=8),
                sizes=replace(_QUICK, unet_epochs=15),  # few images, few steps
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
                sizes=_FULL,
            ),
            PlannedCohort(
                name="lesions-3d",
                source=LesionCohort(
                    dimensions=3, subjects=600, size=48, strength=0.4, radius=(3, 6)
                ),
                training=_short(30, batch_size=8),
                sizes=_FULL_VOLUMES,
            ),
            PlannedCohort(
                name="tumours",
                source=TumourCohort(subjects=3000),
                training=TrainingConfig(),
                sizes=_FULL,
            ),
            PlannedCohort(
                name="neuromelanin",
                source=NeuromelaninCohort(subjects=80),
                training=TrainingConfig(),
                sizes=_FULL,
                cross_validated=True,
            ),
            PlannedCohort(
                name="neuromelanin-large",
                source=NeuromelaninCohort(subjects=2000),
                training=TrainingConfig(),
                sizes=_FULL,
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
    """Return the plan of a benchmark.

    Parameters
    ----------
    name
        "quick" or "full".
    given
        Paths of additional cohorts, by name.
    only
        Names of the cohorts to measure; empty for all.
    seeds
        Number of seeds; None for that of the suite.

    Returns
    -------
    Suite

    Raises
    ------
    InputError
        If the suite or a cohort does not exist, a name is taken or invalid for a folder, or
        the number of seeds is below 1.
    """
    if name not in _SUITES:
        raise InputError(f"there is no suite {name!r}: use one of {', '.join(_SUITES)}")
    suite = _SUITES[name]()
    training, sizes = _GIVEN[name]
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
        cohorts.append(PlannedCohort(name=label, source=path, training=training, sizes=sizes))
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
