"""Measure whether the maps of a network mean anything, on a few images and without any mask."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from hrcam.artifacts.map_checks import Check, CheckName, CoarseMap, MapChecks
from hrcam.baselines import CAM, GradCAM
from hrcam.errors import InputError, LevelError
from hrcam.evaluation.bounds import brightness, centre_blob, edges
from hrcam.evaluation.similarity import spearman, top_overlap
from hrcam.explainer import HRCAM
from hrcam.sanity.batched_maps import in_batches, patterns_of
from hrcam.sanity.checks import LIMITS, as_floats, unmeasured
from hrcam.sanity.stability import (
    Agreement,
    pairwise_agreement,
    stability_to_noise,
    stability_to_shifts,
)
from hrcam.sanity.untrained_networks import check_randomisation

SNR = 20.0
"""Standard deviation of the images over that of the noise added to them."""
SHIFT = 2
"""How far images are shifted, in voxels."""
TOP = 0.05
"""Share of the voxels whose overlap is measured."""


@dataclass(frozen=True, eq=False)
class Specimens:
    """Images to check the maps on.

    Attributes
    ----------
    images
        On the grid of the network, shape (B, C, *spatial).
    classes
        The class to explain of each, shape (B,).
    region
        Where maps are compared, as the brain: bool, shape (B, *spatial).
    references
        Images that HR-CAM is fitted anew on where the network is randomised, (M, C, *spatial);
        they may be the same.
    """

    images: torch.Tensor
    classes: torch.Tensor
    region: torch.Tensor
    references: torch.Tensor


@dataclass(frozen=True, eq=False)
class CheckedMaps:
    """What was found, and maps to look at.

    Attributes
    ----------
    checks
        What was found.
    maps
        By column of a figure, the maps of each image, shape (B, *spatial): the pattern first.
    """

    checks: MapChecks
    maps: dict[str, torch.Tensor]


PATTERN, UNTRAINED = "HR-CAM pattern", "Untrained network"
"""Columns of a figure."""


def check_maps(
    explainer: HRCAM,
    specimens: Specimens,
    others: Sequence[tuple[str, HRCAM]] = (),
    *,
    seed: int = 0,
) -> CheckedMaps:
    """Check the pattern maps of a network.

    What cannot be measured, as repeatability with one network, is left open with the reason.

    Parameters
    ----------
    explainer
        Of the network.
    specimens
        Images to check on.
    others
        Networks that were trained in the same way on other images, with their names.
    seed
        Of random weights and of noise.

    Raises
    ------
    InputError
        If the images or the region cannot be used.
    """
    images, classes, region = specimens.images, specimens.classes, specimens.region
    patterns = patterns_of(explainer, images, classes)

    def explain(changed: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
        # The checks ask for the original again and again.
        return patterns if changed is images else patterns_of(explainer, changed, chosen)

    maps = {PATTERN: patterns}
    coarse = _coarse(explainer, specimens, patterns, maps)
    repeatability = _repeatability(others, specimens, patterns, maps)
    randomisation = check_randomisation(
        explainer, images, classes, region, specimens.references, seed=seed
    )
    if randomisation.untrained is not None:
        maps[UNTRAINED] = randomisation.untrained
    checks = (
        randomisation.check,
        _likeness(specimens, patterns),
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
    explainer: HRCAM, specimens: Specimens, patterns: torch.Tensor, maps: dict[str, torch.Tensor]
) -> CoarseMap | None:
    """Map with the coarsest level alone: CAM where the network has one, else Grad-CAM."""
    model, level = explainer.model, explainer.levels[0]
    try:
        found: CAM | GradCAM = CAM(model, [level.name])
        values = in_batches(found.explain, explainer, specimens.images, specimens.classes)
    except LevelError:
        try:
            found = GradCAM(model, [level.name])
            values = in_batches(found.explain, explainer, specimens.images, specimens.classes)
        except LevelError:  # logits without a gradient, or that do not depend on this level
            return None
    maps[f"{found.name}, {' × '.join(map(str, level.size))} cells"] = values
    return CoarseMap(
        found.name,
        level.size,
        float(spearman(patterns, values, specimens.region).mean()),
        float(top_overlap(patterns, values, TOP, specimens.region).mean()),
    )


def _likeness(specimens: Specimens, patterns: torch.Tensor) -> Check:
    """Compare with maps that no network is needed for; upside down counts as much."""
    images, region = specimens.images, specimens.region
    found = {
        "edges of the image": edges(images),
        "brightness or darkness": brightness(images),
        "nearness to the centre": centre_blob(images),
    }
    alike = {name: np.abs(spearman(patterns, values, region)) for name, values in found.items()}
    most = max(alike, key=lambda name: float(alike[name].mean()))
    details = {name: float(values.mean()) for name, values in alike.items()}
    return Check("likeness", as_floats(alike[most]), LIMITS["likeness"], details=details)


def _repeatability(
    others: Sequence[tuple[str, HRCAM]],
    specimens: Specimens,
    patterns: torch.Tensor,
    maps: dict[str, torch.Tensor],
) -> Check:
    if not others:
        return unmeasured(
            "repeatability",
            "the run has one network only; train with several folds to have others to compare",
        )
    agreements: dict[str, Agreement] = {}
    for name, other in others:
        values = patterns_of(other, specimens.images, specimens.classes)
        if not agreements:
            maps[f"Network of {name}"] = values
        agreements[name] = pairwise_agreement([patterns, values], specimens.region, share=TOP)
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
    except InputError as error:  # an image too small to be shifted
        return unmeasured(name, str(error))
    return Check(
        name,
        as_floats(agreement.spearman),
        LIMITS[name],
        details={"overlap of the highest 5 %": float(agreement.overlap.mean())},
    )
