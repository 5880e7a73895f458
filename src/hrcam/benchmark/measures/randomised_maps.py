"""Compare maps before and after cascading randomisation of the network's parameters.

HR-CAM is measured in two ways: refitted to the randomised network, as a user would apply it and as
the rivals are measured; and with the original head on the features of the randomised network. Maps
are as read, because refined ones follow the edges of the image whatever the network.
"""

import copy
from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from hrcam.benchmark.images.fold_images import FoldImages
from hrcam.benchmark.measurement import Measurement
from hrcam.benchmark.measures.explain_methods import (
    Maps,
    at_levels,
    hrcam_methods,
    maps_by_method,
    methods_as_read,
    refitted,
)
from hrcam.benchmark.variant import Variant
from hrcam.evaluation.similarity import spearman, ssim
from hrcam.explainer import HRCAM
from hrcam.sanity.random_weights import modules_from_output, randomised_stages

HEAD_KEPT = " (head kept)"
"""Suffix of a method's name for maps with the original head."""

_DRAWS = 3
_STAGES = 5
# Distance between the seeds of draws; stages count on from the seed of their draw.
_BETWEEN_DRAWS = 1000


def measure_randomisation(
    explainer: HRCAM, images: FoldImages, learnt: FoldImages, *, seed: int
) -> list[Measurement]:
    """Compare maps before and after randomisation of the network, averaged over three draws.

    From the output to the input, a fifth of the modules at a time is randomised (Adebayo et al.,
    NeurIPS 2018). A single draw may correlate with the image by chance.

    Parameters
    ----------
    explainer
        Fitted explainer; not modified.
    images
        Images to map; maps are compared inside the image.
    learnt
        Images for refitting HR-CAM to every network, including the original one.
    seed
        Random seed of the parameters.

    Returns
    -------
    Means over the draws: ``randomised_ssim`` and ``randomised_spearman`` with all modules
    randomised, and ``randomised_ssim@0.60`` etc. with the fraction of each stage, for every method.
    """
    network = explainer.model
    voxels = images.voxels().to(next(network.parameters()).device)
    inside = region_of(images)
    modules = len(modules_from_output(network, voxels))

    fitted = refitted(explainer, network, learnt, seed)
    original = _maps(fitted, explainer, voxels, images.classes)
    found: dict[tuple[Variant, str], list[NDArray[np.float64]]] = defaultdict(list)
    for draw in range(_DRAWS):
        start = seed + draw * _BETWEEN_DRAWS
        cascade = randomised_stages(network, voxels, stages=_STAGES, seed=start)
        next(cascade)  # the network as it is
        done = 0
        for names, randomised in cascade:
            done += len(names)
            kept = copy.copy(explainer)
            kept.model = randomised
            again = refitted(explainer, randomised, learnt, seed)
            maps = _maps(again, kept, voxels, images.classes)
            for variant, measure, values in _alike(original, maps, inside, done / modules):
                found[variant, measure].append(values)
    return [
        Measurement(scan.name, at_levels(explainer, variant), measure, float(value))
        for (variant, measure), draws in found.items()
        for scan, value in zip(images.scans, np.mean(draws, axis=0), strict=True)
    ]


def region_of(images: FoldImages) -> torch.Tensor:
    """Return the voxels of the grid inside each image, bool, shape (B, *spatial)."""
    return torch.from_numpy(np.stack([one.inside for one in images.prepared]))


def _maps(fitted: HRCAM, kept: HRCAM, voxels: torch.Tensor, classes: torch.Tensor) -> Maps:
    by_head_kept = maps_by_method(hrcam_methods(kept), voxels, classes)
    return maps_by_method(methods_as_read(fitted), voxels, classes) | {
        Variant(f"{variant.method}{HEAD_KEPT}"): maps for variant, maps in by_head_kept.items()
    }


def _alike(
    original: Maps, maps: Maps, inside: torch.Tensor, share: float
) -> Iterator[tuple[Variant, str, NDArray[np.float64]]]:
    for variant, ones in maps.items():
        similarity = ssim(original[variant], ones, inside)
        yield variant, f"randomised_ssim@{share:.2f}", similarity
        if share == 1:
            yield variant, "randomised_ssim", similarity
            yield variant, "randomised_spearman", spearman(original[variant], ones, inside)
