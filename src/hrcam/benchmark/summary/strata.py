"""How well maps find small lesions and large ones, faint ones and clear ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from hrcam.benchmark.contest import Variant
from hrcam.benchmark.summary.ranking import estimate_of, resampled_means
from hrcam.benchmark.summary.results import CohortResults
from hrcam.evaluation.estimate import Estimate

Property = Literal["lesion_share", "contrast"]

THIRDS: Mapping[Property, tuple[str, str, str]] = {
    "lesion_share": ("small", "medium", "large"),
    "contrast": ("faint", "medium", "clear"),
}
"""What the thirds of the images are called, by what they were ordered by."""

# Fewer images than this have no thirds that say anything.
_FEWEST = 6


@dataclass(frozen=True)
class Stratum:
    """One third of the images with a mask.

    Attributes
    ----------
    name
        As in `THIRDS`.
    low, high
        Smallest and largest value of what the images were ordered by.
    images
        How many.
    auprc
        Of each variant that was measured on all of them, with its interval.
    """

    name: str
    low: float
    high: float
    images: int
    auprc: Mapping[Variant, Estimate]


def strata(
    cohort: CohortResults, by: Property, variants: Sequence[Variant], seed: int = 0
) -> tuple[Stratum, ...]:
    """Score variants by AUPRC in thirds of the images, of equal numbers.

    Parameters
    ----------
    cohort
        With one seed or several; of each image the mean over seeds counts.
    by
        Size, as a share of the image, or contrast of the lesion.
    variants
        Which ones; those that were not measured on all images are left out.
    seed
        Of the bootstrap.

    Returns
    -------
    From the smallest or faintest; empty where there are fewer than six images.
    """
    table = cohort.scores.get("auprc")
    if table is None:
        return ()
    scores = table.groupby(level="subject", sort=False).mean()
    size = cohort.subjects[by].reindex(scores.index)
    chosen = [variant for variant in variants if variant in scores]
    first = scores[chosen[:1]].notna().all(axis=1) & size.notna()
    scores, size = scores[first], size[first]
    if not chosen or len(scores) < _FEWEST:
        return ()
    complete = [variant for variant in chosen if scores[variant].notna().all()]
    third = pd.qcut(size.rank(method="first"), 3, labels=False).to_numpy()
    return tuple(
        Stratum(
            name,
            float(size[third == index].min()),
            float(size[third == index].max()),
            int((third == index).sum()),
            _estimates(cohort, scores.loc[third == index, complete], seed),
        )
        for index, name in enumerate(THIRDS[by])
    )


def _estimates(cohort: CohortResults, scores: pd.DataFrame, seed: int) -> dict[Variant, Estimate]:
    groups = cohort.groups_of(scores.index).to_numpy(dtype=object)
    means = resampled_means(scores.to_numpy(np.float64), groups, seed)
    return {
        variant: estimate_of(column)
        for variant, column in zip(scores.columns, means.T, strict=True)
    }
