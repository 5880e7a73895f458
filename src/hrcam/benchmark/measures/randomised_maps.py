"""Whether maps depend on what a network has learnt: its parameters are randomised, layer by layer.

HR-CAM is fitted to a network, so there are two questions. Its maps as a user would get them from
the random network, fitted anew, are compared with those of the real one, as the rivals' are. And
those of the head as it was fitted, on the random network's features, are listed beside.
"""

import copy
from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from hrcam.benchmark.contest import EVIDENCE, PATTERN, Variant
from hrcam.benchmark.images.unseen import FoldImages
from hrcam.benchmark.measurement import Measurement
from hrcam.benchmark.measures.explain_methods import (
    Maps,
    all_methods,
    hrcam_methods,
    maps_by_method,
    refitted,
    variants_of,
)
from hrcam.evaluation.similarity import spearman, ssim
from hrcam.explainer import HRCAM
from hrcam.sanity.random_weights import modules_from_output, randomised_stages

HEAD_KEPT = " (head kept)"
"""What is added to a method's name for its maps by the head that was fitted before."""

_OURS = (PATTERN, EVIDENCE)
_DRAWS = 3
_STAGES = 5
# A stage has a seed of its own, counted on from that of its draw.
_BETWEEN_DRAWS = 1000


def measure_randomisation(
    explainer: HRCAM, images: FoldImages, learnt: FoldImages, *, seed: int
) -> list[Measurement]:
    """Compare maps with those of the network as it loses what it has learnt.

    From the output to the input, a fifth of the modules at a time is initialised anew (Adebayo et
    al., NeurIPS 2018), and this three times over, since a single draw may follow the image by
    chance.

    Parameters
    ----------
    explainer
        Fitted, with its network; neither is changed.
    images
        What is mapped; the maps are compared inside the image.
    learnt
        What HR-CAM is fitted on anew, to every network, the real one too.
    seed
        Of the random parameters.

    Returns
    -------
    Means over the draws: ``randomised_ssim`` and ``randomised_spearman`` where all is random, and
    ``randomised_ssim@0.60`` where six modules in ten are, of every method at every stage.
    """
    network = explainer.model
    voxels = images.voxels().to(next(network.parameters()).device)
    inside = region_of(images)
    modules = len(modules_from_output(network, voxels))
    variants = variants_of(explainer)
    variants |= {f"{name}{HEAD_KEPT}": Variant(f"{name}{HEAD_KEPT}") for name in _OURS}

    fitted = refitted(explainer, network, learnt, seed)
    original = _maps(fitted, explainer, voxels, images.classes)
    found: dict[tuple[str, str], list[NDArray[np.float64]]] = defaultdict(list)
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
            for name, measure, values in _alike(original, maps, inside, done / modules):
                found[name, measure].append(values)
    return [
        Measurement(scan.name, variants[name], measure, float(value))
        for (name, measure), draws in found.items()
        for scan, value in zip(images.scans, np.mean(draws, axis=0), strict=True)
    ]


def region_of(images: FoldImages) -> torch.Tensor:
    """Return where each image lies on the grid, bool, shape (B, *spatial)."""
    return torch.from_numpy(np.stack([one.inside for one in images.prepared]))


def _maps(fitted: HRCAM, kept: HRCAM, voxels: torch.Tensor, classes: torch.Tensor) -> Maps:
    by_head_kept = maps_by_method(hrcam_methods(kept), voxels, classes)
    return maps_by_method(all_methods(fitted), voxels, classes) | {
        f"{name}{HEAD_KEPT}": maps for name, maps in by_head_kept.items()
    }


def _alike(
    original: Maps, maps: Maps, inside: torch.Tensor, share: float
) -> Iterator[tuple[str, str, NDArray[np.float64]]]:
    for name, ones in maps.items():
        similarity = ssim(original[name], ones, inside)
        yield name, f"randomised_ssim@{share:.2f}", similarity
        if share == 1:
            yield name, "randomised_ssim", similarity
            yield name, "randomised_spearman", spearman(original[name], ones, inside)
