"""How far scans lie that no network learnt from: what new scans are compared with."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from hrcam.artifacts.distance_table import UNLIKE_RATE, DistanceRow
from hrcam.head.conformal import conformal_limit


@dataclass(frozen=True)
class HeldOutDistances:
    """Distances of held-out scans, as multiples of the median one of their fold.

    Networks of different folds have different features. As multiples of its own median, the
    distances of each can be compared with those of the others.

    Attributes
    ----------
    medians
        The median distance of the test scans of each fold, by its number.
    multiples
        Distance of every test scan over the median of its fold; of a scan that repeats test
        several times the median of these.
    """

    medians: Mapping[int, float]
    multiples: tuple[float, ...]

    @classmethod
    def of(cls, rows: Iterable[DistanceRow]) -> Self:
        """Take them from the rows of the tables of some folds."""
        by_fold: dict[int, list[float]] = {}
        by_scan: dict[str, list[DistanceRow]] = {}
        for row in rows:
            by_fold.setdefault(row.fold, []).append(row.distance)
            by_scan.setdefault(row.scan, []).append(row)
        # A network without a feature that varies has no distances but 0.
        medians = {fold: float(np.median(found)) or 1.0 for fold, found in by_fold.items()}
        multiples = (
            float(np.median([row.distance / medians[row.fold] for row in of_scan]))
            for of_scan in by_scan.values()
        )
        return cls(medians, tuple(multiples))

    @cached_property
    def limit(self) -> float | None:
        """What one in twenty new scans exceed; None with too few held-out scans to tell."""
        limit = conformal_limit(np.array(self.multiples), UNLIKE_RATE)
        return limit if np.isfinite(limit) else None

    def multiple(self, folds: Sequence[int], distances: Sequence[float]) -> float | None:
        """Return the distance of a scan, the median over the networks that mapped it.

        Parameters
        ----------
        folds
            Whose networks mapped it.
        distances
            One of each network.

        Returns
        -------
        As a multiple of what is usual; None if the run has no held-out scans of a fold.
        """
        if not set(folds) <= self.medians.keys():
            return None
        each = [one / self.medians[fold] for fold, one in zip(folds, distances, strict=True)]
        return float(np.median(each))
