"""Age and disease of a subject: how bright its nuclei are, and how much of them is lost."""

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

CONTRAST_SPREAD, SIDE_SPREAD = 0.22, 0.08
"""Standard deviation of its logarithm: between people of one age, and between their two sides."""


@dataclass(frozen=True)
class History:
    """One subject.

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
    remnant : float
        Share of the neuromelanin that stays where it is lost.
    """

    age: float
    contrast: tuple[float, float]
    fading: float
    loss: tuple[float, float]
    coeruleus_loss: float
    remnant: float

    @property
    def severity(self) -> float:
        """Share of the length of the substantia nigra that is lost, over both sides."""
        return sum(self.loss) / 2


def draw_history(rng: np.random.Generator, *, patient: bool) -> History:
    """Draw a subject; patients and controls have the same distributions of age and contrast.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of everything.
    patient : bool
        Whether it has Parkinson's disease.

    Returns
    -------
    History
        Age, contrast and loss.
    """
    age = float(np.clip(rng.normal(61, 9), *AGES))
    middle = CONTRAST * np.exp(rng.normal(0, CONTRAST_SPREAD)) * ageing(age)
    left, right = (float(middle * np.exp(s)) for s in rng.normal(0, SIDE_SPREAD, 2))
    fading = float(rng.uniform(0.0, 0.6))
    more = 0.2 + 0.6 * rng.beta(1.6, 2.2)
    less = more * rng.uniform(0.35, 1.0)
    loss = (less, more) if rng.random() < 0.5 else (more, less)
    coeruleus = more * rng.uniform(0.5, 1.1)
    if not patient:
        loss, coeruleus = (0.0, 0.0), 0.0
    remnant = rng.uniform(0.1, 0.5)
    return History(age, (left, right), fading, loss, coeruleus, remnant)


def ageing(age: float) -> float:
    """Contrast at an age as a fraction of that at the age of 60, its peak."""
    return 1 - ((age - PEAK_AGE) / AGE_WIDTH) ** 2
