"""HR-CAM and its rivals on the same images, the same classes and the same levels."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from hrcam.baselines import (
    CAM,
    EigenCAM,
    GradCAM,
    GradCAMPlusPlus,
    HiResCAM,
    LayerCAM,
    XGradCAM,
    fuse_levels,
    gradient_maps,
)
from hrcam.baselines.level_fusion import Fusion
from hrcam.errors import LevelError
from hrcam.evaluation.bootstrap import paired_ratio_interval
from hrcam.evaluation.localisation import LocalisationScores, score_maps
from hrcam.evaluation.table import crossed_thresholds, scores_table
from hrcam.explainer import HRCAM

Maps = list[NDArray[np.float32]]
"""One map per image; shapes may differ."""

EVIDENCE, PATTERN = "HR-CAM evidence", "HR-CAM pattern"
_GRADIENT_METHODS = (GradCAM, GradCAMPlusPlus, LayerCAM, HiResCAM, XGradCAM)
_FUSIONS: tuple[Fusion, ...] = ("mean", "max", "product")


@dataclass(frozen=True)
class Variant:
    """One method at one level, or with all its levels fused in one way.

    Attributes
    ----------
    method
        As its paper calls it.
    level
        The level's name; empty where the method uses all of them by itself.
    fusion
        How all levels were fused, where they were; else empty.
    """

    method: str
    level: str = ""
    fusion: str = ""

    @property
    def name(self) -> str:
        """How it is called in tables."""
        if self.fusion:
            return f"{self.method}, all levels, {self.fusion}"
        return f"{self.method}, {self.level}" if self.level else self.method


def contest_maps(
    explainer: HRCAM,
    batches: Iterable[tuple[torch.Tensor, torch.Tensor]],
    *,
    progress: bool = False,
) -> dict[Variant, Maps]:
    """Map the same images with HR-CAM and with every rival at every level.

    Score-CAM is not among them: it runs the network once per channel, a thousand times what the
    others cost.

    Parameters
    ----------
    explainer
        Fitted; the rivals read its model at its levels.
    batches
        Pairs of images (B, C, *spatial) and the classes to explain, (B,).
    progress
        Show a bar on a terminal.

    Returns
    -------
    For each variant one map per image.
    """
    maps: dict[Variant, Maps] = {}
    model, levels = explainer.model, explainer.levels

    def keep(variant: Variant, batch: torch.Tensor) -> None:
        maps.setdefault(variant, []).extend(batch.float().cpu().numpy())

    names = [level.name for level in levels]
    eigen = EigenCAM(model, names)
    cam: CAM | None = CAM(model)
    for images, classes in tqdm(
        batches, desc="mapping", disable=None if progress else True, leave=False
    ):
        explanation = explainer.explain(images, classes)
        keep(Variant(EVIDENCE), explanation.evidence)
        keep(Variant(PATTERN), explanation.pattern.abs())
        by_method = gradient_maps(_GRADIENT_METHODS, model, images, levels, classes)
        by_method[EigenCAM.name] = eigen.by_level(images, classes)
        for method, by_level in by_method.items():
            for level, batch in by_level.items():
                keep(Variant(method, level), batch)
            for fusion in _FUSIONS:
                keep(Variant(method, fusion=fusion), fuse_levels(list(by_level.values()), fusion))
        if cam is not None:
            try:
                for level, batch in cam.by_level(images, classes).items():
                    keep(Variant(CAM.name, level), batch)
            except LevelError:  # not a global mean and one linear layer: there is no CAM
                cam = None
    return maps


def contest_scores(
    maps: Mapping[Variant, Maps], masks: Sequence[NDArray[np.bool_]], seed: int = 0
) -> dict[Variant, LocalisationScores]:
    """Score every variant's maps; Dice at the threshold that is best on the other half."""
    return {
        variant: score_maps(stack, masks, crossed_thresholds(stack, masks, seed=seed))
        for variant, stack in maps.items()
    }


def finalists(scores: Mapping[Variant, LocalisationScores]) -> list[Variant]:
    """Choose each method's level, and its fusion, with the largest mean AUPRC; the best first.

    For the rivals this is an advantage: the choice is made with the masks that score it. HR-CAM
    has nothing to choose.
    """
    ranked = sorted(scores, key=lambda variant: _mean_auprc(scores[variant]), reverse=True)
    best: dict[tuple[str, bool], Variant] = {}
    for variant in ranked:
        best.setdefault((variant.method, bool(variant.fusion)), variant)
    return list(best.values())


def _mean_auprc(score: LocalisationScores) -> float:
    return float(np.nanmean(score.auprc))


@dataclass(frozen=True)
class Lead:
    """AUPRC of HR-CAM's pattern over that of the best rival.

    Attributes
    ----------
    rival
        The rival's variant with the largest mean AUPRC of all.
    ratio, low, high
        Ratio of the means, with its 95 % interval, paired over subjects.
    """

    rival: Variant
    ratio: float
    low: float
    high: float


def lead(scores: Mapping[Variant, LocalisationScores], *, fused: bool, seed: int = 0) -> Lead:
    """Compare the pattern with the best rival: at single levels only, or fused ones too."""
    rivals = [
        variant
        for variant in scores
        if variant.method not in (EVIDENCE, PATTERN) and (fused or not variant.fusion)
    ]
    rival = max(rivals, key=lambda variant: _mean_auprc(scores[variant]))
    ours, theirs = scores[Variant(PATTERN)], scores[rival]
    pairs = ours.auprc[ours.scored], theirs.auprc[theirs.scored]
    low, high = paired_ratio_interval(*pairs, seed=seed)
    return Lead(rival, float(pairs[0].mean() / pairs[1].mean()), low, high)


def contest_table(
    scores: Mapping[Variant, LocalisationScores], variants: Sequence[Variant], seed: int = 0
) -> pd.DataFrame:
    """Return one row per variant, in their order, with intervals over subjects."""
    return scores_table({variant.name: scores[variant] for variant in variants}, seed=seed)
