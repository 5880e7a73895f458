"""The ratio of HR-CAM's AUPRC to that of rivals, over several cohorts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hrcam.benchmark.summary.cohort import CohortSummary
from hrcam.benchmark.summary.ranking import DEFAULT, is_rival, resampled_means, value_of
from hrcam.benchmark.variant import Stage, Variant
from hrcam.evaluation.estimate import Estimate, estimate_of


@dataclass(frozen=True)
class PooledRatio:
    """The geometric mean over cohorts of a paired ratio.

    Attributes
    ----------
    rivals
        What HR-CAM is compared with on each cohort.
    estimate
        The geometric mean, with its interval over the subjects of each cohort.
    """

    rivals: tuple[Variant, ...]
    estimate: Estimate


def to_best_rivals(
    summaries: Sequence[CohortSummary], stage: Stage, seed: int = 0
) -> PooledRatio | None:
    """Compare HR-CAM with the best rival of each cohort, selected there with its masks.

    Cohorts without a rival are left out; None if there is no other.
    """
    found = [(one, rival.variant) for one in summaries if (rival := one.rival(stage))]
    return _pooled([one for one, _ in found], [rival for _, rival in found], seed)


def to_best_setting(
    summaries: Sequence[CohortSummary], stage: Stage, seed: int = 0
) -> PooledRatio | None:
    """Compare HR-CAM with the best rival at one setting for all cohorts.

    Settings are each fusion of levels, and each method that has one map. The best is the one
    with the lowest geometric mean.

    Parameters
    ----------
    summaries
        Cohorts; settings that were not measured on each are left out.
    stage
        Of all maps.
    seed
        Random seed of the bootstrap.

    Returns
    -------
    PooledRatio or None
        None if there is no such setting.
    """
    by_cohort = [_settings(one, stage) for one in summaries]
    common = (
        [key for key in by_cohort[0] if all(key in by for by in by_cohort)] if summaries else []
    )
    if not common:
        return None

    def mean(key: Variant) -> float:
        return float(np.mean([np.log(ratio) for ratio in (by[key][1] for by in by_cohort)]))

    best = min(common, key=mean)
    return _pooled(summaries, [by[best][0] for by in by_cohort], seed)


def _settings(one: CohortSummary, stage: Stage) -> Mapping[Variant, tuple[Variant, float]]:
    """Return the variant of each setting and the ratio to it, by the variant without its level."""
    rivals = {
        variant: value_of(score.ratio)
        for variant, score in one.scores.get("auprc", {}).items()
        if is_rival(variant) and variant.stage == stage and score.ratio is not None
    }
    unfused = [variant.method for variant in rivals if not variant.fusion]
    return {
        replace(variant, level=""): (variant, ratio)
        for variant, ratio in rivals.items()
        if variant.fusion or unfused.count(variant.method) == 1
    }


def _pooled(
    cohorts: Sequence[CohortSummary], rivals: Sequence[Variant], seed: int
) -> PooledRatio | None:
    if not cohorts:
        return None
    # Cohorts are independent, so each has resamples of its own.
    ratios = [
        _resampled_ratio(one, rival, seed + number)
        for number, (one, rival) in enumerate(zip(cohorts, rivals, strict=True))
    ]
    known = min(len(each) for each in ratios)
    pooled = np.exp(np.mean([np.log(each[:known]) for each in ratios], axis=0))
    return PooledRatio(tuple(rivals), estimate_of(pooled))


def _resampled_ratio(one: CohortSummary, rival: Variant, seed: int) -> NDArray[np.float64]:
    """Return the ratio of HR-CAM to a rival, for the sample and every resample of the subjects."""
    table = one.cohort.scores["auprc"].groupby(level="subject", sort=False).mean()
    pairs = table[[DEFAULT.at(rival.stage), rival]].dropna()
    groups = one.cohort.groups_of(pairs.index).to_numpy(dtype=object)
    means = resampled_means(pairs.to_numpy(np.float64), groups, seed)
    ratios: NDArray[np.float64] = means[:, 0] / means[:, 1]
    return ratios
