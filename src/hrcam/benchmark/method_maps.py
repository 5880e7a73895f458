"""The maps of HR-CAM and of every rival, for the same images, classes and levels."""

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from hrcam.baselines import (
    ALL_LEVELS,
    CAM,
    METHODS,
    Baseline,
    FullGrad,
    GradientMethod,
    ScoreCAM,
    fuse_levels,
    gradient_maps,
)
from hrcam.baselines.level_fusion import Fusion
from hrcam.benchmark.refined_maps import refined_maps
from hrcam.benchmark.variant import EVIDENCE, PAPER, PATTERN, Stage, Variant
from hrcam.errors import LevelError
from hrcam.explainer import HRCAM

Maps = list[NDArray[np.float32]]
"""One map per image; shapes may differ."""

_GRADIENT_METHODS = tuple(one for one in METHODS.values() if issubclass(one, GradientMethod))
# They find the layers that they read: CAM the last one, FullGrad all with a bias.
_WITH_OWN_LEVELS: tuple[type[CAM | FullGrad], ...] = (CAM, FullGrad)
# Score-CAM runs the network once per channel, at about 1000 times the cost.
_OTHERS = tuple(
    one
    for one in METHODS.values()
    if not issubclass(one, GradientMethod | ScoreCAM) and one not in _WITH_OWN_LEVELS
)
_FUSIONS: tuple[Fusion, ...] = ("mean", "max", "product")


def method_maps(
    explainer: HRCAM,
    paper: HRCAM,
    batches: Iterable[tuple[torch.Tensor, torch.Tensor]],
    *,
    progress: bool = False,
) -> dict[Variant, Maps]:
    """Map images with HR-CAM, and with every rival at every level and with levels fused.

    Every map is given as read from the network, and refined along the edges of the image.
    Rivals are all of `hrcam.baselines.METHODS` but Score-CAM in both variants, which runs the
    network once per channel, at about 1000 times the cost.

    Parameters
    ----------
    explainer
        Fitted to the model's logits; rivals use its model and levels.
    paper
        Fitted to labels on the same model: HR-CAM as published in 2019.
    batches
        Pairs of images (B, C, *spatial) and the classes to explain, (B,).
    progress
        Show a progress bar on a terminal.

    Returns
    -------
    One map per image for each variant.
    """
    maps: dict[Variant, Maps] = {}
    model, levels = explainer.model, explainer.levels

    def keep(variant: Variant, batch: torch.Tensor) -> None:
        maps.setdefault(variant, []).extend(batch.float().cpu().numpy())

    names = [level.name for level in levels]
    others = [method(model, names) for method in _OTHERS]
    alone: list[Baseline] = [method(model) for method in _WITH_OWN_LEVELS]
    for images, classes in tqdm(
        batches, desc="mapping", disable=None if progress else True, leave=False
    ):
        explanation = explainer.explain(images, classes)
        as_read = {
            Variant(PAPER): paper.explain(images, classes).evidence,
            Variant(EVIDENCE): explanation.evidence,
        }
        by_method = gradient_maps(_GRADIENT_METHODS, model, images, levels, classes)
        by_method |= {other.name: other.by_level(images, classes) for other in others}
        for method, by_level in by_method.items():
            as_read |= {Variant(method, level): batch for level, batch in by_level.items()}
            if ALL_LEVELS in by_level:
                continue
            as_read |= {
                Variant(method, fusion=fusion): fuse_levels(list(by_level.values()), fusion)
                for fusion in _FUSIONS
            }
        for one in list(alone):
            try:
                by_level = one.by_level(images, classes)
            except LevelError:  # CAM needs a global mean and one linear layer
                alone.remove(one)
                continue
            as_read |= {Variant(one.name, level): batch for level, batch in by_level.items()}
        ours = {
            Variant(PATTERN): explanation.pattern_as_read.abs(),
            Variant(PATTERN, stage=Stage.REFINED): explanation.pattern.abs(),
        }
        for variant, batch in (ours | as_read | refined_maps(as_read, images)).items():
            keep(variant, batch)
    return maps
