"""Localisation scores of all methods, and the comparison of HR-CAM with the best rival."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hrcam.benchmark.method_maps import Maps
from hrcam.benchmark.variant import HRCAM_VARIANTS, PATTERN, Stage, Variant
from hrcam.evaluation.bootstrap import paired_ratio_interval
from hrcam.evaluation.localisation import LocalisationScores, auprc, score_maps
from hrcam.evaluation.table import crossed_thresholds, scores_table


def score_methods(
    maps: Mapping[Variant, Maps], masks: Sequence[NDArray[np.bool_]], seed: int = 0
) -> dict[Variant, LocalisationScores]:
    """Score the maps of each variant, with Dice at the threshold that is best on the other half."""
    return {
        variant: score_maps(stack, masks, crossed_thresholds(stack, masks, seed=seed))
        for variant, stack in maps.items()
    }


def score_auprc(
    maps: Mapping[Variant, Maps], masks: Sequence[NDArray[np.bool_]]
) -> dict[Variant, NDArray[np.float64]]:
    """Return the AUPRC of each image, shape (N,), by each variant; every mask has a lesion."""
    return {
        variant: np.array([auprc(one, mask) for one, mask in zip(stack, masks, strict=True)])
        for variant, stack in maps.items()
    }


@dataclass(frozen=True)
class RivalComparison:
    """Ratio of the AUPRC of HR-CAM's pattern to that of the best rival, both at one stage.

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
    scores: Mapping[Variant, NDArray[np.float64]], stage: Stage, seed: int = 0
) -> RivalComparison:
    """Compare the pattern with the best rival at its best level or fusion, by AUPRC."""
    rivals = [
        variant for variant in scores if variant.stage == stage and variant not in HRCAM_VARIANTS
    ]
    rival = max(rivals, key=lambda variant: float(scores[variant].mean()))
    ours, theirs = scores[Variant(PATTERN, stage=stage)], scores[rival]
    low, high = paired_ratio_interval(ours, theirs, seed=seed)
    return RivalComparison(rival, float(ours.mean() / theirs.mean()), low, high)


def methods_table(scores: Mapping[Variant, LocalisationScores], seed: int = 0) -> pd.DataFrame:
    """Return one row for each variant, with its stage, and intervals over subjects."""
    table = scores_table({variant.name: score for variant, score in scores.items()}, seed=seed)
    table["method"] = [variant.setting for variant in scores]
    table.insert(1, "stage", [str(variant.stage) for variant in scores])
    return table
