"""Localisation scores of all methods, and the comparison of HR-CAM with the best rival."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hrcam.benchmark.method_maps import Maps
from hrcam.benchmark.variant import EVIDENCE, PATTERN, Variant
from hrcam.evaluation.bootstrap import paired_ratio_interval
from hrcam.evaluation.localisation import LocalisationScores, score_maps
from hrcam.evaluation.table import crossed_thresholds, scores_table


def score_methods(
    maps: Mapping[Variant, Maps], masks: Sequence[NDArray[np.bool_]], seed: int = 0
) -> dict[Variant, LocalisationScores]:
    """Score the maps of each variant, with Dice at the threshold that is best on the other half."""
    return {
        variant: score_maps(stack, masks, crossed_thresholds(stack, masks, seed=seed))
        for variant, stack in maps.items()
    }


def mean_auprc(score: LocalisationScores) -> float:
    """Return the mean over the images that were scored."""
    return float(np.nanmean(score.auprc))


@dataclass(frozen=True)
class RivalComparison:
    """Ratio of the AUPRC of HR-CAM's pattern to that of the best rival.

    Attributes
    ----------
    rival
        The variant of a rival with the largest mean AUPRC.
    ratio, low, high
        Ratio of the means with its paired 95 % interval.
    """

    rival: Variant
    ratio: float
    low: float
    high: float


def compare_with_best_rival(
    scores: Mapping[Variant, LocalisationScores], *, fused: bool, seed: int = 0
) -> RivalComparison:
    """Compare the pattern with the best rival at a single level or, if ``fused``, any rival."""
    rivals = [
        variant
        for variant in scores
        if variant.method not in (EVIDENCE, PATTERN) and (fused or not variant.fusion)
    ]
    rival = max(rivals, key=lambda variant: mean_auprc(scores[variant]))
    ours, theirs = scores[Variant(PATTERN)], scores[rival]
    pairs = ours.auprc[ours.scored], theirs.auprc[theirs.scored]
    low, high = paired_ratio_interval(*pairs, seed=seed)
    return RivalComparison(rival, float(pairs[0].mean() / pairs[1].mean()), low, high)


def methods_table(
    scores: Mapping[Variant, LocalisationScores], variants: Sequence[Variant], seed: int = 0
) -> pd.DataFrame:
    """Return one row for each of the given variants, with intervals over subjects."""
    return scores_table({variant.name: scores[variant] for variant in variants}, seed=seed)
