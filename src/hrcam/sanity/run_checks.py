"""Run the sanity checks of a network's maps, on a few images."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import binary_fill_holes

from hrcam.artifacts.check_results import Check, CheckName, CoarseMap, MapChecks
from hrcam.baselines import CAM, GradCAM
from hrcam.cohort.foreground import background_of
from hrcam.errors import InputError, LevelError
from hrcam.evaluation.similarity import spearman, top_overlap
from hrcam.explainer import HRCAM
from hrcam.sanity.batched_maps import in_batches, patterns_of
from hrcam.sanity.limits import LIMITS, as_floats, unmeasured
from hrcam.sanity.model_free_bounds import (
    FEWEST_MASKED,
    MaskedImages,
    compare_with_bounds,
    score_against_bounds,
)
from hrcam.sanity.stability import (
    Agreement,
    pairwise_agreement,
    stability_to_noise,
    stability_to_shifts,
)
from hrcam.sanity.untrained_networks import check_randomisation

SNR = 20.0
"""Signal-to-noise ratio of the added noise, as a ratio of standard deviations."""
SHIFT = 2
"""Shift of images, in voxels."""
TOP = 0.05
"""Fraction of highest voxels whose overlap is measured."""


@dataclass(frozen=True, eq=False)
class CheckInputs:
    """Images on which maps are checked.

    Attributes
    ----------
    images
        Images on the grid of the network, shape (B, C, *spatial).
    classes
        Class to explain for each image, shape (B,).
    region
        Region in which maps are compared, e.g. the brain: bool, shape (B, *spatial).
    references
        Images for refitting HR-CAM to randomised networks, (M, C, *spatial); may overlap with
        ``images``.
    masked
        Images with masks, on which maps are scored; None to compare them without masks, as is
        done where they are of fewer than `hrcam.sanity.model_free_bounds.FEWEST_MASKED`
        participants.
    """

    images: torch.Tensor
    classes: torch.Tensor
    region: torch.Tensor
    references: torch.Tensor
    masked: MaskedImages | None = None


@dataclass(frozen=True, eq=False)
class CheckedMaps:
    """Results of the checks, and maps for a figure.

    Attributes
    ----------
    checks
        Results of the checks.
    maps
        For each column of a figure, the maps of all images, shape (B, *spatial); the pattern first.
    """

    checks: MapChecks
    maps: dict[str, torch.Tensor]


PATTERN, UNTRAINED = "HR-CAM pattern", "Untrained network"
"""Columns of a figure."""


def foreground(voxels: NDArray[np.float32], inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return a mask of the brain, or of the whole image if it has no background.

    Parameters
    ----------
    voxels
        Shape (C, *spatial).
    inside
        Voxels inside the image, not padding, shape (*spatial).

    Returns
    -------
    Array of shape (*spatial): voxels that are not background in a channel, with holes filled.
    """
    found = np.zeros(inside.shape, bool)
    for channel in voxels:
        background = background_of(channel)
        if background is None:
            return inside
        value, margin = background
        found |= np.abs(channel - value) > margin
    found = binary_fill_holes(found) & inside
    return found if np.count_nonzero(found) > 1 else inside


def check_maps(
    explainer: HRCAM,
    inputs: CheckInputs,
    others: Sequence[tuple[str, HRCAM]] = (),
    *,
    seed: int = 0,
) -> CheckedMaps:
    """Check the pattern maps of a network.

    A check that cannot be measured, e.g. repeatability with one network, has a reason instead.

    Parameters
    ----------
    explainer
        Explainer of the network.
    inputs
        Images on which maps are checked.
    others
        Explainers of networks trained in the same way on other images, with their names.
    seed
        Random seed of weights and noise.

    Raises
    ------
    InputError
        If the images or the region cannot be used.
    """
    images, classes, region = inputs.images, inputs.classes, inputs.region
    patterns = patterns_of(explainer, images, classes)

    def explain(changed: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
        # Reuse the maps of the original images.
        return patterns if changed is images else patterns_of(explainer, changed, chosen)

    maps = {PATTERN: patterns}
    coarse = _coarse(explainer, inputs, patterns, maps)
    repeatability = _repeatability(others, inputs, patterns, maps)
    randomisation = check_randomisation(
        explainer, images, classes, region, inputs.references, seed=seed
    )
    if randomisation.untrained is not None:
        maps[UNTRAINED] = randomisation.untrained
    checks = (
        randomisation.check,
        _bounds(explainer, inputs, patterns, seed),
        repeatability,
        _stability(
            "noise",
            lambda: stability_to_noise(explain, images, classes, SNR, region, share=TOP, seed=seed),
        ),
        _stability(
            "shift",
            lambda: stability_to_shifts(explain, images, classes, SHIFT, region, share=TOP),
        ),
    )
    return CheckedMaps(MapChecks(len(images), checks, randomisation.cascade, coarse), maps)


def _coarse(
    explainer: HRCAM, inputs: CheckInputs, patterns: torch.Tensor, maps: dict[str, torch.Tensor]
) -> CoarseMap | None:
    """Compare with a map of the coarsest level: CAM if the network allows it, else Grad-CAM."""
    model, level = explainer.model, explainer.levels[0]
    try:
        found: CAM | GradCAM = CAM(model, [level.name])
        values = in_batches(found.explain, explainer, inputs.images, inputs.classes)
    except LevelError:
        try:
            found = GradCAM(model, [level.name])
            values = in_batches(found.explain, explainer, inputs.images, inputs.classes)
        except LevelError:  # logits without a gradient, or independent of this level
            return None
    maps[f"{found.name}, {' × '.join(map(str, level.size))} cells"] = values
    return CoarseMap(
        found.name,
        level.size,
        float(spearman(patterns, values, inputs.region).mean()),
        float(top_overlap(patterns, values, TOP, inputs.region).mean()),
    )


def _bounds(explainer: HRCAM, inputs: CheckInputs, patterns: torch.Tensor, seed: int) -> Check:
    masked = inputs.masked
    if masked is None or len(set(masked.participants)) < FEWEST_MASKED:
        return compare_with_bounds(inputs.images, inputs.region, patterns)
    scored = patterns_of(explainer, masked.images, masked.classes)
    return score_against_bounds(masked, scored, seed=seed)


def _repeatability(
    others: Sequence[tuple[str, HRCAM]],
    inputs: CheckInputs,
    patterns: torch.Tensor,
    maps: dict[str, torch.Tensor],
) -> Check:
    if not others:
        return unmeasured(
            "repeatability",
            "the run has one network only; train with several folds or repeats to compare others",
        )
    agreements: dict[str, Agreement] = {}
    for name, other in others:
        values = patterns_of(other, inputs.images, inputs.classes)
        if not agreements:
            maps[f"Network of {name}"] = values
        agreements[name] = pairwise_agreement([patterns, values], inputs.region, share=TOP)
    return Check(
        "repeatability",
        as_floats(np.mean([one.spearman for one in agreements.values()], axis=0)),
        LIMITS["repeatability"],
        details={
            **{f"with {name}": float(one.spearman.mean()) for name, one in agreements.items()},
            "overlap of the highest 5 %": float(
                np.mean([one.overlap for one in agreements.values()])
            ),
        },
    )


def _stability(name: CheckName, measure: Callable[[], Agreement]) -> Check:
    try:
        agreement = measure()
    except InputError as error:  # image too small for the shift
        return unmeasured(name, str(error))
    return Check(
        name,
        as_floats(agreement.spearman),
        LIMITS[name],
        details={"overlap of the highest 5 %": float(agreement.overlap.mean())},
    )
