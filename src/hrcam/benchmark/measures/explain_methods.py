"""HR-CAM and two rivals as functions of a network, for tests with other networks."""

import warnings
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import torch
from torch import nn

from hrcam.baselines import GradCAM, GradientMethod, LayerCAM
from hrcam.benchmark.images.fold_images import FoldImages
from hrcam.benchmark.variant import EVIDENCE, PATTERN, Stage, Variant
from hrcam.errors import HRCAMWarning
from hrcam.evaluation.checked_inputs import Explain, maps_of
from hrcam.explainer import HRCAM
from hrcam.maps.refine import refine
from hrcam.sanity.batched_maps import batch_size, in_batches, patterns_as_read_of, patterns_of

Methods = dict[Variant, Explain]
"""By method and stage, without levels, whose names depend on the network."""

Maps = dict[Variant, torch.Tensor]
"""By method and stage, shape (B, *spatial), on the CPU."""

_RIVALS: tuple[type[GradientMethod], ...] = (GradCAM, LayerCAM)


def hrcam_methods(explainer: HRCAM) -> Methods:
    """Return HR-CAM's pattern and evidence, as read, as functions of images and classes."""

    def evidence(images: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
        return explainer.explain(images, classes).evidence

    return {
        Variant(PATTERN): partial(patterns_as_read_of, explainer),
        Variant(EVIDENCE): partial(in_batches, evidence, explainer),
    }


def methods_as_read(explainer: HRCAM) -> Methods:
    """Return HR-CAM's maps, and those of the rivals at the coarsest level of its network.

    The coarsest level is the last layer, the usual choice for Grad-CAM.
    """
    model, last = explainer.model, explainer.levels[0].name
    return hrcam_methods(explainer) | {
        Variant(rival.name): partial(in_batches, rival(model, [last]).explain, explainer)
        for rival in _RIVALS
    }


def all_methods(explainer: HRCAM) -> Methods:
    """Return the methods of `methods_as_read` at both stages."""
    as_read = methods_as_read(explainer)
    refined = {
        variant.at(Stage.REFINED): partial(_refined, one) for variant, one in as_read.items()
    }
    refined[Variant(PATTERN, stage=Stage.REFINED)] = partial(patterns_of, explainer)
    return as_read | refined


def at_levels(explainer: HRCAM, variant: Variant) -> Variant:
    """Return the variant of one of `all_methods` with the level that it reads."""
    rivals = {rival.name for rival in _RIVALS}
    return replace(variant, level=explainer.levels[0].name) if variant.method in rivals else variant


def maps_by_method(
    methods: Mapping[Variant, Explain], images: torch.Tensor, classes: torch.Tensor
) -> Maps:
    """Map images (B, C, *spatial) of classes (B,) by each method."""
    return {variant: maps_of(explain, images, classes) for variant, explain in methods.items()}


def _refined(explain: Explain, images: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    return refine(explain(images, classes).clamp(min=0), images)


def refitted(explainer: HRCAM, model: nn.Module, images: FoldImages, seed: int) -> HRCAM:
    """Refit HR-CAM to another network.

    Parameters
    ----------
    explainer
        Explainer with the target of the fit; not modified.
    model
        The network; its levels are found again.
    images
        Images for the fit.
    seed
        Random seed of the folds for the head's penalty.
    """
    device = next(model.parameters()).device
    size = batch_size(images.voxels(0, 1))
    batches = [
        (images.voxels(start, start + size).to(device), images.classes[start : start + size])
        for start in range(0, len(images.scans), size)
    ]
    with warnings.catch_warnings():
        # A network with random weights is expected to predict poorly.
        warnings.simplefilter("ignore", HRCAMWarning)
        return HRCAM(model).fit(
            batches,
            explainer.head.target,
            groups=[scan.group for scan in images.scans],
            reference=explainer.reference,
            seed=seed,
        )
