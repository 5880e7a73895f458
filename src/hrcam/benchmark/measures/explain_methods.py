"""HR-CAM and two rivals as functions of a network, for tests with other networks."""

import warnings
from collections.abc import Mapping
from functools import partial

import torch
from torch import nn

from hrcam.baselines import GradCAM, GradientMethod, LayerCAM
from hrcam.benchmark.images.fold_images import FoldImages
from hrcam.benchmark.variant import EVIDENCE, PATTERN, Variant
from hrcam.errors import HRCAMWarning
from hrcam.evaluation.checked_inputs import Explain, maps_of
from hrcam.explainer import HRCAM
from hrcam.sanity.batched_maps import batch_size, in_batches, patterns_of

Maps = dict[str, torch.Tensor]
"""By method, shape (B, *spatial), on the CPU."""

_RIVALS: tuple[type[GradientMethod], ...] = (GradCAM, LayerCAM)


def hrcam_methods(explainer: HRCAM) -> dict[str, Explain]:
    """Return HR-CAM's two maps as functions of images and classes."""

    def evidence(images: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
        return explainer.explain(images, classes).evidence

    return {
        PATTERN: partial(patterns_of, explainer),
        EVIDENCE: partial(in_batches, evidence, explainer),
    }


def all_methods(explainer: HRCAM) -> dict[str, Explain]:
    """Return HR-CAM's maps, and those of the rivals at the coarsest level of its network.

    The coarsest level is the last layer, the usual choice for Grad-CAM.
    """
    model, last = explainer.model, explainer.levels[0].name
    return hrcam_methods(explainer) | {
        rival.name: partial(in_batches, rival(model, [last]).explain, explainer)
        for rival in _RIVALS
    }


def variants_of(explainer: HRCAM) -> dict[str, Variant]:
    """Return the variant of each of `all_methods`."""
    last = explainer.levels[0].name
    return {name: Variant(name) for name in (PATTERN, EVIDENCE)} | {
        rival.name: Variant(rival.name, last) for rival in _RIVALS
    }


def maps_by_method(
    methods: Mapping[str, Explain], images: torch.Tensor, classes: torch.Tensor
) -> Maps:
    """Map images (B, C, *spatial) of classes (B,) by each method."""
    return {name: maps_of(explain, images, classes) for name, explain in methods.items()}


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
