"""Faithfulness: perturbation scores of maps and of control maps.

These scores favour blurred maps in general, because large removed regions cannot be inferred from
their surroundings. Compare the score of a map with that of its blurred copy and of model-free maps.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from hrcam.evaluation.checked_inputs import Classifier, check_batch, checked_maps
from hrcam.evaluation.model_free_maps import centre_blob, random_maps
from hrcam.evaluation.perturbation import (
    DEFAULT,
    Perturbation,
    blur,
    deletion_curve,
    insertion_curve,
    logit_drop,
)

# Standard deviation of the blur of control maps, as a fraction of each axis.
_CONTROL_BLUR = 0.05

MAP = "map"
"""Name of the map itself among its controls."""


@dataclass(frozen=True)
class FaithfulnessScores:
    """Perturbation scores of one map per image.

    Attributes
    ----------
    insertion
        Area under the insertion curve, shape (B,); larger is better.
    deletion
        Area under the deletion curve, shape (B,); smaller is better.
    logit_drop
        Decrease of the logit without the map's highest voxels, shape (B,); larger is better.
    """

    insertion: NDArray[np.float64]
    deletion: NDArray[np.float64]
    logit_drop: NDArray[np.float64]


def faithfulness(
    model: Classifier,
    images: torch.Tensor,
    classes: torch.Tensor,
    maps: torch.Tensor,
    *,
    share: float = 0.05,
    settings: Perturbation = DEFAULT,
) -> FaithfulnessScores:
    """Score maps by insertion, deletion and drop of the logit.

    Parameters
    ----------
    model
        From images to logits. A module is run in evaluation mode and not modified.
    images
        Shape (B, C, *spatial).
    classes
        Classes that the maps explain, shape (B,).
    maps
        Shape (B, *spatial); a larger value means more important.
    share
        Fraction of voxels that are removed for the drop.
    settings
        Options of the perturbation.

    Returns
    -------
    FaithfulnessScores

    Raises
    ------
    InputError
        As `hrcam.evaluation.perturbation.deletion_curve` and ``logit_drop``.
    """
    return FaithfulnessScores(
        insertion=insertion_curve(model, images, classes, maps, settings).area,
        deletion=deletion_curve(model, images, classes, maps, settings).area,
        logit_drop=logit_drop(model, images, classes, maps, share, settings),
    )


def control_maps(
    images: torch.Tensor, maps: torch.Tensor, seed: int = 0
) -> dict[str, torch.Tensor]:
    """Return control maps for the scores of a method.

    Parameters
    ----------
    images
        Shape (B, C, *spatial).
    maps
        Maps of the method, shape (B, *spatial).
    seed
        Random seed.

    Returns
    -------
    ``"blurred"``, the method's maps blurred by a twentieth of each axis, and ``"random"`` and
    ``"centre"``, which are independent of the method; shape (B, *spatial) each.

    Raises
    ------
    InputError
        If the images, the maps or the seed are invalid.
    """
    check_batch(images)
    maps = checked_maps(maps, images)
    return {
        "blurred": blur(maps, _CONTROL_BLUR, images.ndim - 2),
        "random": random_maps(images, seed),
        "centre": centre_blob(images),
    }


def faithfulness_with_controls(
    model: Classifier,
    images: torch.Tensor,
    classes: torch.Tensor,
    maps: torch.Tensor,
    *,
    share: float = 0.05,
    settings: Perturbation = DEFAULT,
) -> dict[str, FaithfulnessScores]:
    """Score maps and their controls; parameters and errors are those of `faithfulness`.

    Returns
    -------
    Scores of ``"map"``, ``"blurred"``, ``"random"`` and ``"centre"``. Where several methods are
    scored on the same images, score the last two once, with `control_maps` and `faithfulness`.
    """
    candidates = {MAP: maps, **control_maps(images, maps, settings.seed)}
    return {
        name: faithfulness(model, images, classes, candidate, share=share, settings=settings)
        for name, candidate in candidates.items()
    }
