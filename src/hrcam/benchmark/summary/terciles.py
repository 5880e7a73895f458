"""AUPRC in terciles of the images by size and contrast of the lesion."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from hrcam.benchmark.summary.ranking import resampled_means
from hrcam.benchmark.summary.results import CohortResults
from hrcam.benchmark.variant import Variant
from hrcam.evaluation.estimate import Estimate, estimate_of

Property = Literal["lesion_share", "contrast"]

TERCILES: Mapping[Property, tuple[str, str, str]] = {
    "lesion_share": ("small", "medium", "large"),
    "contrast": ("faint", "medium", "clear"),
}
"""Names of the terciles, by property."""

# Fewest images for terciles.
_FEWEST = 6


@dataclass(frozen=True)
class Tercile:
    """One tercile of the images with a mask.

    Attributes
    ----------
    name
        One of `TERCILES`.
    low, high
        Smallest and largest value of the property.
    images
        Number of images.
    auprc
        AUPRC of each variant that was measured on all of them, with its interval.
    """

    name: str
    low: float
    high: float
    images: int
    auprc: Mapping[Variant, Estimate]


def score_by_tercile(
    cohort: CohortResults, by: Property, variants: Sequence[Variant], seed: int = 0
) -> tuple[Tercile, ...]:
    """Score variants by AUPRC in terciles of the images.

    Parameters
    ----------
    cohort
        Results with one seed or several; averaged over seeds for each image.
    by
        Property: size, as a fraction of the image, or contrast of the lesion.
    variants
        Variants to score; those not measured on all images are left out.
    seed
        Random seed of the bootstrap.

    Returns
    -------
    Terciles from the smallest or faintest; empty if there are fewer than six images.
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
        Tercile(
            name,
            float(size[third == index].min()),
            float(size[third == index].max()),
            int((third == index).sum()),
            _estimates(cohort, scores.loc[third == index, complete], seed),
        )
        for index, name in enumerate(TERCILES[by])
    )


def _estimates(cohort: CohortResults, scores: pd.DataFrame, seed: int) -> dict[Variant, Estimate]:
    groups = cohort.groups_of(scores.index).to_numpy(dtype=object)
    means = resampled_means(scores.to_numpy(np.float64), groups, seed)
    return {
        variant: estimate_of(column)
        for variant, column in zip(scores.columns, means.T, strict=True)
    }
