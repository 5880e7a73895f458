"""Age and disease of a person: brightness of the nuclei, and the part that is lost."""

from dataclasses import dataclass

import numpy as np

AGES = (35.0, 85.0)
"""Youngest and oldest subject, in years."""

PEAK_AGE = 60.0
"""Neuromelanin builds up until this age, then falls, in health too."""

AGE_WIDTH = 45.0
"""Years from the peak after which the contrast would be gone."""

CONTRAST = 0.24
"""Signal of the average healthy nuclei above that of their surroundings, at the peak age."""

CONTRAST_SD, SIDE_SD = 0.22, 0.08
"""Standard deviation of its logarithm: between people of one age, and between their two sides."""


@dataclass(frozen=True)
class Person:
    """Age, contrast and loss of one person.

    Attributes
    ----------
    age : float
        In years.
    contrast : tuple of float
        Signal of the healthy nuclei on the left and right above that of their surroundings, as
        a fraction of it.
    fading : float
        Share of the contrast that the far end of a nucleus lacks, in health.
    loss : tuple of float
        Share of the length of the left and right substantia nigra that is lost; 0 in health.
    coeruleus_loss : float
        Share of the locus coeruleus that is lost on both sides.
    remaining : float
        Fraction of the neuromelanin that remains in lost parts.
    """

    age: float
    contrast: tuple[float, float]
    fading: float
    loss: tuple[float, float]
    coeruleus_loss: float
    remaining: float

    @property
    def severity(self) -> float:
        """Share of the length of the substantia nigra that is lost, over both sides."""
        return sum(self.loss) / 2


def draw_person(rng: np.random.Generator, *, patient: bool) -> Person:
    """Draw a person; patients and controls have the same distributions of age and contrast.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of everything.
    patient : bool
        Whether it has Parkinson's disease.

    Returns
    -------
    Person
        Age, contrast and loss.
    """
    age = float(np.clip(rng.normal(61, 9), *AGES))
    middle = CONTRAST * np.exp(rng.normal(0, CONTRAST_SD)) * ageing(age)
    left, right = (float(middle * np.exp(s)) for s in rng.normal(0, SIDE_SD, 2))
    fading = float(rng.uniform(0.0, 0.6))
    more = 0.2 + 0.6 * rng.beta(1.6, 2.2)
    less = more * rng.uniform(0.35, 1.0)
    loss = (less, more) if rng.random() < 0.5 else (more, less)
    coeruleus = more * rng.uniform(0.5, 1.1)
    if not patient:
        loss, coeruleus = (0.0, 0.0), 0.0
    remaining = rng.uniform(0.1, 0.5)
    return Person(age, (left, right), fading, loss, coeruleus, remaining)


def ageing(age: float) -> float:
    """Contrast at an age as a fraction of that at the age of 60, its peak."""
    return 1 - ((age - PEAK_AGE) / AGE_WIDTH) ** 2
