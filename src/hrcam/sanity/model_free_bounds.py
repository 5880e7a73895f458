"""Compare maps with maps that need no model: by masks where there are some, else by similarity."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from hrcam.artifacts.check_results import HRCAM_AUPRC, Check
from hrcam.evaluation.bootstrap import bootstrap_interval
from hrcam.evaluation.localisation import auprc
from hrcam.evaluation.model_free_maps import brightness, centre_blob, darkness, edges
from hrcam.evaluation.similarity import spearman
from hrcam.sanity.limits import LIMITS, as_floats

FEWEST_MASKED = 4
"""Fewest participants with a mask for scores; with fewer, maps are compared without masks."""
# Fewest images for a mean map of the others.
_FEWEST_FOR_MEAN = 4

_MEAN = "the mean map of other scans"
_BOUNDS: Mapping[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "a blob at the centre": centre_blob,
    "brightness": brightness,
    "darkness": darkness,
    "edges": edges,
}


@dataclass(frozen=True, eq=False)
class MaskedImages:
    """Images with the truth, on which maps are scored.

    Attributes
    ----------
    images
        Shape (M, C, *spatial).
    classes
        Class to explain for each image, shape (M,).
    region
        Positions that count: bool, shape (M, *spatial).
    masks
        The truth: bool, shape (M, *spatial), with a position of the region set in each image.
    participants
        Who is in each image; images of one participant are resampled together.
    """

    images: torch.Tensor
    classes: torch.Tensor
    region: torch.Tensor
    masks: torch.Tensor
    participants: tuple[str, ...]


def compare_with_bounds(
    images: torch.Tensor, region: torch.Tensor, patterns: torch.Tensor
) -> Check:
    """Measure how similar maps are to maps that need no model, by absolute rank correlation.

    Parameters
    ----------
    images
        Shape (B, C, *spatial).
    region
        Region in which maps are compared: bool, shape (B, *spatial).
    patterns
        Pattern maps of the images, shape (B, *spatial).
    """
    found = {
        "the edges of the image": (patterns, edges(images)),
        "the brightness or darkness of the image": (patterns, brightness(images)),
        "nearness to the centre": (patterns, centre_blob(images)),
    }
    if len(images) >= _FEWEST_FOR_MEAN:
        found[_MEAN] = (patterns.abs(), _mean_of_others(patterns))
    alike = {name: np.abs(spearman(*pair, region)) for name, pair in found.items()}
    most = max(alike, key=lambda name: float(alike[name].mean()))
    details = {name: float(values.mean()) for name, values in alike.items()}
    return Check("likeness", as_floats(alike[most]), LIMITS["likeness"], details=details)


def score_against_bounds(masked: MaskedImages, patterns: torch.Tensor, *, seed: int = 0) -> Check:
    """Score maps and maps that need no model against masks, paired by image.

    The pattern's size is scored, as its sign tells for which class a place speaks. The check fails
    unless the mean AUPRC of the maps is above that of every bound, and is undecided if it is above,
    but not beyond the 95 % interval of the paired difference.

    Parameters
    ----------
    masked
        Images with masks, of at least `FEWEST_MASKED` participants.
    patterns
        Pattern maps of the images, shape (M, *spatial).
    seed
        Random seed of the interval.
    """
    maps = {name: bound(masked.images) for name, bound in _BOUNDS.items()}
    maps[_MEAN] = _mean_of_others(patterns)
    ours = _scores(patterns.abs(), masked)
    scores = {name: _scores(values, masked) for name, values in maps.items()}
    best = max(scores, key=lambda name: float(scores[name].mean()))
    ahead = ours - scores[best]
    details = {HRCAM_AUPRC: float(ours.mean())} | {
        name: float(values.mean()) for name, values in scores.items()
    }
    limit = LIMITS["bounds"]
    if ahead.mean() > limit:
        low, high = bootstrap_interval(ahead, masked.participants, seed=seed)
        if low <= limit:
            reason = (
                f"on {len(ahead)} scans with a mask, the AUPRC of the maps is {ahead.mean():.2f} "
                f"above that of {best}, with a 95 % interval from {low:.2f} to {high:.2f}: too few "
                "scans to tell"
            )
            return Check("bounds", (), limit, reason, details)
    return Check("bounds", as_floats(ahead), limit, details=details)


def _scores(maps: torch.Tensor, masked: MaskedImages) -> NDArray[np.float64]:
    """Return the AUPRC of each map within its region, shape (M,)."""
    return np.array(
        [
            auprc(values[where].numpy(), mask[where].numpy())
            for values, where, mask in zip(maps, masked.region, masked.masks, strict=True)
        ]
    )


def _mean_of_others(patterns: torch.Tensor) -> torch.Tensor:
    """Return for each image the mean size of the other images' patterns: it depends on no image."""
    sizes = patterns.double().abs()
    return (sizes.sum(0) - sizes) / (len(sizes) - 1)
