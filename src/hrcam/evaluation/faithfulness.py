"""Whether a map shows what the model uses: perturbation scores, next to those of control maps.

Such scores favour blurred maps, whatever they show: what is taken away in one piece leaves no
surroundings from which the model could guess it. So a map's score is to be read next to that of a
blurred copy of it, and of maps that know nothing.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from hrcam.evaluation.bounds import centre_blob, random_maps
from hrcam.evaluation.methods import Classifier, check_batch, check_maps
from hrcam.evaluation.perturbation import (
    DEFAULT,
    Perturbation,
    deletion_curve,
    insertion_curve,
    logit_drop,
)
from hrcam.evaluation.smoothing import blur

# Width of the blur of a map's control, as a share of each axis.
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
        By how much the logit falls without the map's largest voxels, shape (B,); larger is
        better.
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
    """Score maps by insertion, deletion and the drop of the logit.

    Parameters
    ----------
    model
        Images to logits. A module is run in evaluation mode and left as it was.
    images
        Shape (B, C, *spatial).
    classes
        What the maps explain, shape (B,).
    maps
        Shape (B, *spatial); a larger value means more important.
    share
        Share of the voxels that are taken away for the drop.
    settings
        How voxels are taken away, and in how many steps.

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
    """Make the maps that a method's scores are compared with.

    Parameters
    ----------
    images
        Shape (B, C, *spatial).
    maps
        The method's, shape (B, *spatial).
    seed
        Of the random maps.

    Returns
    -------
    ``"blurred"``, the method's maps blurred by a twentieth of each axis; ``"random"`` and
    ``"centre"``, which do not depend on the method: shape (B, *spatial) each.

    Raises
    ------
    InputError
        If the images, the maps or the seed cannot be used.
    """
    check_batch(images)
    maps = check_maps(maps, images)
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
