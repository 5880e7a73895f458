"""Stability of maps between networks, under noise, and under shifts of the image."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from hrcam.errors import InputError
from hrcam.evaluation.checked_inputs import Explain, check_batch, checked_region, maps_of
from hrcam.evaluation.random_numbers import generator_of
from hrcam.evaluation.similarity import spearman, top_overlap

_SHARE = 0.05


@dataclass(frozen=True)
class Agreement:
    """Similarity of maps for each image, the mean over all comparisons.

    Attributes
    ----------
    spearman
        Rank correlation, shape (B,).
    overlap
        Intersection over union of the largest voxels, shape (B,).
    """

    spearman: NDArray[np.float64]
    overlap: NDArray[np.float64]


def pairwise_agreement(
    runs: Sequence[torch.Tensor], region: torch.Tensor | None = None, *, share: float = _SHARE
) -> Agreement:
    """Compare the maps of several runs on the same images, for all pairs of runs.

    For one architecture trained with several seeds or folds this is the repeatability, for several
    architectures the reproducibility (Arun et al., Radiology: AI 2021).

    Parameters
    ----------
    runs
        Maps of two or more runs, each of shape (B, *spatial).
    region
        Region in which maps are compared, e.g. the brain: bool, (*spatial) or (B, *spatial).
        None for all voxels; a constant background then increases the similarity.
    share
        Fraction of highest voxels whose overlap is measured, between 0 and 1.

    Returns
    -------
    Agreement
        Mean over all pairs of runs.

    Raises
    ------
    InputError
        If there are fewer than two runs, their maps differ in shape or are not finite, or an
        option is invalid.
    """
    if len(runs) < 2:
        raise InputError(f"agreement is between two runs or more, there are {len(runs)}")
    pairs = itertools.combinations(runs, 2)
    return _mean([_agreement(first, second, region, share) for first, second in pairs])


def stability_to_noise(
    explain: Explain,
    images: torch.Tensor,
    classes: torch.Tensor,
    snr: float,
    region: torch.Tensor | None = None,
    *,
    share: float = _SHARE,
    seed: int = 0,
) -> Agreement:
    """Compare the maps of images with and without added Gaussian noise.

    Parameters
    ----------
    explain
        The method.
    images
        Shape (B, C, *spatial).
    classes
        Classes to explain, shape (B,).
    snr
        Ratio of the standard deviations of image (per channel) and noise.
    region, share
        As in `pairwise_agreement`.
    seed
        Random seed of the noise, which depends on the image but not on the batch.

    Returns
    -------
    Agreement

    Raises
    ------
    InputError
        If the images, the maps or an option are invalid.
    """
    if not 0 < snr < float("inf"):
        raise InputError(f"snr is {snr}: it must be above 0 and finite")
    check_batch(images)
    noise = np.stack(
        [generator_of(image, seed).standard_normal(tuple(image.shape)) for image in images]
    )
    deviation = images.std(tuple(range(2, images.ndim)), keepdim=True, correction=0)
    noisy = images + torch.from_numpy(noise).to(images) * (deviation / snr)
    original = maps_of(explain, images, classes)
    return _agreement(original, maps_of(explain, noisy, classes), region, share)


def stability_to_shifts(
    explain: Explain,
    images: torch.Tensor,
    classes: torch.Tensor,
    voxels: int,
    region: torch.Tensor | None = None,
    *,
    share: float = _SHARE,
) -> Agreement:
    """Compare the maps of images with those of shifted images, after the inverse shift.

    Images are shifted along each axis in both directions, with border values repeated.

    Parameters
    ----------
    explain
        The method.
    images
        Shape (B, C, *spatial).
    classes
        Classes to explain, shape (B,).
    voxels
        Shift in voxels, 1 or more. A border of this width is excluded from the comparison at
        both ends of the axis.
    region, share
        As in `pairwise_agreement`.

    Returns
    -------
    Agreement
        Mean over all axes and both directions.

    Raises
    ------
    InputError
        If the images, the maps or an option are invalid, or an axis is too short for the shift.
    """
    if not isinstance(voxels, int) or voxels < 1:
        raise InputError(f"voxels is {voxels!r}: it is a whole number, 1 or more")
    check_batch(images)
    if 2 * voxels >= min(images.shape[2:]):
        raise InputError(
            f"images of {tuple(images.shape[2:])} voxels have nothing left to compare after a "
            f"shift of {voxels}"
        )
    original = maps_of(explain, images, classes)
    inside = torch.from_numpy(checked_region(region, tuple(original.shape)).copy())
    agreements = []
    for axis, shift in itertools.product(range(1, original.ndim), (voxels, -voxels)):
        shifted = maps_of(explain, _shifted(images, axis + 1, shift), classes)
        length = original.shape[axis] - 2 * voxels
        agreements.append(
            _agreement(
                original.narrow(axis, voxels, length),
                shifted.narrow(axis, voxels + shift, length),
                inside.narrow(axis, voxels, length),
                share,
            )
        )
    return _mean(agreements)


def _shifted(images: torch.Tensor, axis: int, voxels: int) -> torch.Tensor:
    size = images.shape[axis]
    source = (torch.arange(size, device=images.device) - voxels).clamp(0, size - 1)
    return images.index_select(axis, source)


def _agreement(
    first: torch.Tensor, second: torch.Tensor, region: torch.Tensor | None, share: float
) -> Agreement:
    return Agreement(spearman(first, second, region), top_overlap(first, second, share, region))


def _mean(agreements: Sequence[Agreement]) -> Agreement:
    return Agreement(
        np.mean([agreement.spearman for agreement in agreements], axis=0),
        np.mean([agreement.overlap for agreement in agreements], axis=0),
    )
