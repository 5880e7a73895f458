"""The randomisation tests of any method's maps (Adebayo et al., NeurIPS 2018)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn

from hrcam.errors import InputError
from hrcam.evaluation.checked_inputs import Explain, maps_of
from hrcam.evaluation.random_numbers import check_seed
from hrcam.evaluation.similarity import spearman, ssim
from hrcam.sanity.random_weights import randomised_stages


@dataclass(frozen=True)
class RandomisationStage:
    """Similarity of the maps of the model and of the randomised model.

    Attributes
    ----------
    modules
        Names of the modules that this stage randomised in addition to earlier stages.
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
    """Compare a method's maps before and after randomisation of the model's parameters.

    The cascading model-parameter randomisation test: layers are randomised one after the other,
    from the output to the input. A map that does not change does not show what the model has
    learnt. Maps of random layers still correlate with the image, with a random sign, so average
    over several seeds.

    Parameters
    ----------
    model
        Model; not modified.
    method
        Creates the method for a model; called for each randomised model, so that methods that are
        fitted to a model are refitted.
    images
        Shape (B, C, *spatial).
    classes
        Classes to explain, shape (B,).
    region
        Region in which maps are compared, e.g. the brain: bool, (*spatial) or (B, *spatial);
        None for all voxels.
    stages, seed, reestimate
        As in `hrcam.sanity.random_weights.randomised_stages`.

    Returns
    -------
    One entry for each stage, from the output to the input.

    Raises
    ------
    InputError
        As `randomised_stages`; also if the method returns maps of a wrong shape, or the region is
        invalid.
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
    """Permute labels at random.

    For the label randomisation test: train the same network on these labels until it has memorised
    them, and compare its maps with those of the original network.

    Parameters
    ----------
    labels
        Shape (N,).
    seed
        Random seed.

    Returns
    -------
    The same labels in another order, shape (N,).

    Raises
    ------
    InputError
        If there are fewer than two different labels, or the seed is invalid.
    """
    check_seed(seed)
    values = np.asarray(labels)
    if values.ndim != 1:
        raise InputError(f"labels have shape (images,), not {values.shape}")
    if np.unique(values).size < 2:
        raise InputError("all labels are the same: permuting them changes nothing")
    permuted: NDArray[np.generic] = np.random.default_rng(seed).permutation(values)
    return permuted
