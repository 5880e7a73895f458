"""The base class of simulated cohorts: classes, splits, and the simulation of a subject."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import Field
from typing import Any, ClassVar

import numpy as np

from hrcam.simulate.subject import Subject


class SimulatedCohort(ABC):
    """Parameters of a simulated cohort: a frozen dataclass for each kind.

    Images are reproducible from the parameters, and subject ``i`` does not depend on the number of
    subjects. Simulated images show the behaviour of methods with a known truth, not results for
    patients.

    Attributes
    ----------
    kind : str
        Name of the kind, as in ``hrcam simulate``.
    description : str
        Description of the images for the manifest of a folder.
    labels : tuple of str
        Names of the classes 0 and 1.
    regions : tuple of str
        Names of further masks of every subject.
    covariates : tuple of str
        Names of further columns of the table.
    dimensions : int
        2 for slices, 3 for volumes.
    subjects : int
        Number of images, one for each subject.
    test_fraction : float
        Share of each class in the split "test", rounded down.
    seed : int
        Random seed.
    """

    kind: ClassVar[str]
    description: ClassVar[str]
    labels: ClassVar[tuple[str, str]]
    regions: ClassVar[tuple[str, ...]] = ()
    covariates: ClassVar[tuple[str, ...]] = ()

    # Not a dataclass itself, so that each kind has its own order of fields.
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    dimensions: int
    subjects: int
    test_fraction: float
    seed: int

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Shape of every image."""

    @property
    @abstractmethod
    def spacing(self) -> tuple[float, ...]:
        """Distance between voxels along each axis, in millimetres."""

    @property
    @abstractmethod
    def positive_fraction(self) -> float:
        """Share of subjects of class 1; they are spread evenly over the cohort."""

    @abstractmethod
    def simulate(self, index: int) -> Subject:
        """Simulate one subject, from the parameters and its index alone.

        Parameters
        ----------
        index : int
            Which subject: 0 or more.

        Returns
        -------
        Subject
            With the ``regions`` of the cohort.

        Raises
        ------
        InputError
            If the parameters leave no brain in the image, or no room for the pathology.
        """

    def covariates_of(self, index: int) -> Mapping[str, str]:
        """Return the values of a subject for each name in ``covariates``, as text."""
        del index
        return {}

    def has_mask(self, index: int) -> bool:
        """Return whether a subject has a mask of the pathology; by default those of class 1."""
        return self.label(index) == 1

    def label(self, index: int) -> int:
        """Class of a subject: 0 or 1, an index into ``labels``."""
        return int(_chosen(index, self.positive_fraction))

    def split(self, index: int) -> str:
        """Split of a subject, "train" or "test", stratified by class."""
        return "test" if _chosen(self.rank(index), self.test_fraction) else "train"

    def rank(self, index: int) -> int:
        """Return how many subjects of its class come before a subject."""
        positive_before = _quota(index, self.positive_fraction)
        return positive_before if self.label(index) else index - positive_before

    def streams(self, index: int, count: int) -> list[np.random.Generator]:
        """Return independent random streams of a subject."""
        return np.random.default_rng([self.seed, index]).spawn(count)


def _quota(count: int, fraction: float) -> int:
    """Return how many of the first ``count`` subjects are selected."""
    # Rounded first: 100 * 0.29 is 28.999999999999996 and means 29.
    return math.floor(round(count * fraction, 6))


def _chosen(index: int, fraction: float) -> bool:
    return _quota(index + 1, fraction) > _quota(index, fraction)
