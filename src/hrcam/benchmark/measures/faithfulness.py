"""Faithfulness of maps, of blurred copies, and of model-free maps."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch

from hrcam.benchmark.measurement import Measurement
from hrcam.benchmark.variant import Variant
from hrcam.errors import InputError
from hrcam.evaluation.checked_inputs import Classifier
from hrcam.evaluation.faithfulness import FaithfulnessScores, control_maps, faithfulness
from hrcam.evaluation.perturbation import Perturbation

MEASURES = ("insertion", "deletion", "logit_drop")
BLURRED = " (blurred)"
"""Suffix of a method's name for blurred copies of its maps."""


def measure_faithfulness(
    model: Classifier,
    images: torch.Tensor,
    classes: torch.Tensor,
    names: Sequence[str],
    maps: Mapping[Variant, torch.Tensor],
    *,
    seed: int,
) -> list[Measurement]:
    """Score maps by the model's output for images without their highest voxels.

    One image by one method takes about 130 forward passes, half of them for the blurred copy.

    Parameters
    ----------
    model
        From images to logits; not modified.
    images
        Prepared images, shape (B, C, *spatial), on the model's device.
    classes
        Classes that the maps explain, shape (B,).
    names
        Names of the images' subjects.
    maps
        Maps of each variant, shape (B, *spatial), on the network's grid.
    seed
        Random seed of random maps and of the order of tied voxels.

    Returns
    -------
    ``insertion`` (larger is better), ``deletion`` (smaller) and ``logit_drop`` (larger) of every
    variant, of its blurred copy, and once of "random" and "centre".

    Raises
    ------
    InputError
        If there are no maps or not as many names as images, or as
        `hrcam.evaluation.faithfulness.faithfulness`.
    """
    if len(names) != len(images):
        raise InputError(f"there are {len(names)} names for {len(images)} images: give one each")
    if not maps:
        raise InputError("there are no maps to score: give those of one method or more")
    settings = Perturbation(seed=seed)
    measurements = []

    def measure(variant: Variant, candidate: torch.Tensor) -> None:
        scores = faithfulness(model, images, classes, candidate, settings=settings)
        measurements.extend(_rows(names, variant, scores))

    for variant, stack in maps.items():
        controls = control_maps(images, stack.to(images.device), seed)
        measure(variant, stack.to(images.device))
        measure(replace(variant, method=f"{variant.method}{BLURRED}"), controls["blurred"])
    # Neither depends on the method.
    for name in ("random", "centre"):
        measure(Variant(name), controls[name])
    return measurements


def _rows(names: Sequence[str], variant: Variant, scores: FaithfulnessScores) -> list[Measurement]:
    return [
        Measurement(name, variant, measure, float(value))
        for measure in MEASURES
        for name, value in zip(names, np.asarray(getattr(scores, measure)), strict=True)
    ]
