"""What every simulated cohort is: its classes, its splits, and what simulates a subject."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import Field
from typing import Any, ClassVar

import numpy as np

from hrcam.simulate.subject import Subject


class SimulatedCohort(ABC):
    """Parameters of a simulated cohort: a frozen dataclass for each kind.

    With the same parameters come the same images, and subject ``i`` is the same however many
    subjects there are. The images are simulated: they show how a method behaves where the truth
    is known, and nothing about patients.

    Attributes
    ----------
    kind : str
        Name of the kind, as in ``hrcam simulate``.
    description : str
        What the manifest of a folder says of the images.
    labels : tuple of str
        Names of the classes 0 and 1.
    regions : tuple of str
        Names of the masks that every subject has beside that of the pathology.
    facts : tuple of str
        Names of what else the table says of a subject.
    dimensions : int
        2 for slices, 3 for volumes.
    subjects : int
        Number of images, one for each subject.
    test_fraction : float
        Share of each class in the split "test", rounded down.
    seed : int
        Another seed gives another cohort.
    """

    kind: ClassVar[str]
    description: ClassVar[str]
    labels: ClassVar[tuple[str, str]]
    regions: ClassVar[tuple[str, ...]] = ()
    facts: ClassVar[tuple[str, ...]] = ()

    # Every kind is a dataclass; this class is none, so that each keeps its own order of fields.
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

    def facts_of(self, index: int) -> Mapping[str, str]:
        """Say what the table says of a subject: a text for each name in ``facts``."""
        del index
        return {}

    def has_mask(self, index: int) -> bool:
        """Tell whether a subject has the pathology that masks are of: those of class 1."""
        return self.label(index) == 1

    def label(self, index: int) -> int:
        """Class of a subject: 0 or 1, an index into ``labels``."""
        return int(_chosen(index, self.positive_fraction))

    def split(self, index: int) -> str:
        """Split of a subject, "train" or "test", stratified by class."""
        positive_before = _quota(index, self.positive_fraction)
        rank = positive_before if self.label(index) else index - positive_before
        return "test" if _chosen(rank, self.test_fraction) else "train"

    def streams(self, index: int, count: int) -> list[np.random.Generator]:
        """Open the random streams of a subject: what one draws never moves another."""
        return np.random.default_rng([self.seed, index]).spawn(count)


def _quota(count: int, fraction: float) -> int:
    """How many of the first ``count`` are chosen."""
    # Rounded first: 100 * 0.29 is 28.999999999999996 and means 29.
    return math.floor(round(count * fraction, 6))


def _chosen(index: int, fraction: float) -> bool:
    return _quota(index + 1, fraction) > _quota(index, fraction)
