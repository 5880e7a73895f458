"""What control images show: how many of them score as high as a region does."""

from dataclasses import dataclass

import numpy as np

from hrcam.errors import InputError

FEWEST = 9
"""Fewest control images to compare with: with fewer, no score is rare enough for a finding."""


@dataclass(frozen=True)
class ControlScores:
    """Scores of control images by networks that had not learnt from them.

    Attributes
    ----------
    scores
        Of each image the largest absolute value of its map, times the probability that it is no
        control.
    """

    scores: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuse scores that are not finite."""
        if not np.isfinite(self.scores).all():
            raise InputError("scores of control images are NaN or infinite: leave them out")

    @property
    def enough(self) -> bool:
        """Whether there are at least `FEWEST` images."""
        return len(self.scores) >= FEWEST

    def share(self, score: float) -> float:
        """Return the share of images that score as high, the image in question included.

        This is a conformal p-value: of new control images, no more than a share r is expected to
        have a value of r or less.
        """
        reached = sum(one >= score for one in self.scores)
        return (reached + 1) / (len(self.scores) + 1)
