"""Sanity checks: does a map depend on what the model has learnt (Adebayo et al., NeurIPS 2018)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn

from hrcam.errors import InputError
from hrcam.evaluation.draws import check_seed
from hrcam.evaluation.methods import Explain, maps_of
from hrcam.evaluation.similarity import spearman, ssim
from hrcam.sanity.random_weights import randomised_stages


@dataclass(frozen=True)
class RandomisationStage:
    """How alike the maps of the model and of the randomised model are.

    Attributes
    ----------
    modules
        Names of the modules that this stage randomised, on top of those of earlier stages.
    ssim
        Structural similarity of each image's maps, shape (B,).
    spearman, spearman_absolute
        Rank correlation of the maps, and of their absolute values, shape (B,).
    """

    modules: tuple[str, ...]
    ssim: NDArray[np.float64]
    spearman: NDArray[np.float64]
    spearman_absolute: NDArray[np.float64]


def randomisation_test(
    model: nn.Module,
    method: Callable[[nn.Module], Explain],
    images: torch.Tensor,
    classes: torch.Tensor,
    *,
    region: torch.Tensor | None = None,
    stages: int = 10,
    seed: int = 0,
    reestimate: bool = True,
) -> tuple[RandomisationStage, ...]:
    """Compare a method's maps with those of the model as its parameters are randomised.

    The cascading model-parameter randomisation test: from the output to the input, layer after
    layer loses what it has learnt. A map that stays the same to the end does not show what the
    model has learnt. One seed is one draw: random layers still follow the image, and as often as
    not upside down, so take the mean over several seeds.

    Parameters
    ----------
    model
        Never touched: the test works on a copy.
    method
        Makes the method for a model; called for the copy before and after each stage, so that
        what is fitted to a model is fitted anew.
    images
        Shape (B, C, *spatial).
    classes
        What is explained throughout, shape (B,).
    region
        Where maps are compared, such as the brain: bool, (*spatial) or (B, *spatial). None:
        everywhere.
    stages, seed, reestimate
        As in `hrcam.sanity.random_weights.randomised_stages`.

    Returns
    -------
    One entry for each stage, from the output to the input.

    Raises
    ------
    InputError
        As `randomised_stages`; also if the method returns no maps of the right shape, or the
        region cannot be used.
    """
    cascade = randomised_stages(model, images, stages=stages, seed=seed, reestimate=reestimate)
    original = maps_of(method(next(cascade)[1]), images, classes)
    results = []
    for names, randomised in cascade:
        maps = maps_of(method(randomised), images, classes)
        results.append(
            RandomisationStage(
                names,
                ssim(original, maps, region),
                spearman(original, maps, region),
                spearman(original.abs(), maps.abs(), region),
            )
        )
    return tuple(results)


def permute_labels(labels: ArrayLike, seed: int = 0) -> NDArray[np.generic]:
    """Give every image the label of another, drawn at random.

    For the label randomisation test: train the same network on these labels, until it knows them
    by heart, and compare its maps with those of the real one.

    Parameters
    ----------
    labels
        Shape (N,).
    seed
        Same seed, same labels.

    Returns
    -------
    The same labels in another order, shape (N,).

    Raises
    ------
    InputError
        If there are fewer than two different labels, or the seed cannot be used.
    """
    check_seed(seed)
    values = np.asarray(labels)
    if values.ndim != 1:
        raise InputError(f"labels have shape (images,), not {values.shape}")
    if np.unique(values).size < 2:
        raise InputError("all labels are the same: permuting them changes nothing")
    permuted: NDArray[np.generic] = np.random.default_rng(seed).permutation(values)
    return permuted
