"""Scores of thresholded maps: overlap, mass in the lesion, detected lesions, false positives.

Thresholds are in the map's own unit: choose one on other images, with ``choose_threshold`` of
`hrcam.evaluation.localisation`. Components include voxels that touch only at a corner.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import binary_dilation, find_objects, generate_binary_structure, label

from hrcam.errors import InputError
from hrcam.evaluation.calibration import equal_mass_bins
from hrcam.evaluation.estimate import wilson_interval
from hrcam.evaluation.localisation import checked_pair, checked_with_lesion

# Width of a lesion's surroundings, in voxels.
_SURROUNDINGS = 3
MATCH = 0.1
"""Intersection over union at which a component matches a lesion."""


def iou(scores: ArrayLike, mask: ArrayLike, threshold: float) -> float:
    """Intersection over union of the mask and the pixels at or above a threshold.

    Parameters
    ----------
    scores
        The map, real and finite, shape (*spatial).
    mask
        The truth, bool, shape (*spatial), with at least one pixel set.
    threshold
        In the map's own unit, chosen on other images.

    Returns
    -------
    float
        In [0, 1]; for one image D / (2 − D), where D is its Dice.

    Raises
    ------
    InputError
        If the map is not finite, the mask not bool or empty, or the shapes differ.
    """
    values, truth = checked_with_lesion(scores, mask)
    predicted = values >= threshold
    return np.count_nonzero(predicted & truth) / np.count_nonzero(predicted | truth)


def mass_inside(scores: ArrayLike, mask: ArrayLike) -> float:
    """Fraction of the map's positive mass in the mask.

    Parameters
    ----------
    scores
        The map, real and finite, shape (*spatial); negative values do not count.
    mask
        The truth, bool, shape (*spatial), with at least one pixel set.

    Returns
    -------
    float
        In [0, 1]; 0 for a map without a positive value.

    Raises
    ------
    InputError
        If the map is not finite, the mask not bool or empty, or the shapes differ.
    """
    values, truth = checked_with_lesion(scores, mask)
    positive = np.maximum(values.astype(np.float64), 0)
    total = positive.sum()
    return float(positive[truth].sum() / total) if total else 0.0


@dataclass(frozen=True)
class FalsePositives:
    """False positives in an image without a lesion.

    Attributes
    ----------
    count
        Number of connected components.
    share
        Fraction of the image's voxels that they cover.
    """

    count: int
    share: float


def false_positives(scores: ArrayLike, threshold: float) -> FalsePositives:
    """Count the components at or above a threshold in the map of an image without a lesion.

    Parameters
    ----------
    scores
        The map, real and finite, shape (*spatial).
    threshold
        In the map's own unit, chosen on other images.

    Returns
    -------
    FalsePositives

    Raises
    ------
    InputError
        If the map is not real and finite, or empty.
    """
    values, _ = checked_pair(scores, np.zeros(np.shape(scores), dtype=bool))
    found = values >= threshold
    return FalsePositives(components(found)[1], float(found.mean()))


@dataclass(frozen=True)
class Lesion:
    """One connected component of a mask.

    Attributes
    ----------
    size
        Number of voxels times the voxel's volume.
    contrast
        Absolute difference of the image's means in the lesion and its surroundings, in standard
        deviations of the surroundings (contrast-to-noise ratio). The surroundings are the voxels
        within 3 voxels of the lesion and outside all lesions. NaN if there are none, or if they
        are constant.
    detected
        Whether a component of the thresholded map matches the lesion: their intersection over
        union is 0.1 or more, as in nnDetection (Baumgartner et al., MICCAI 2021). If touching were
        enough, a random map would detect every lesion.
    """

    size: float
    contrast: float
    detected: bool


def find_lesions(
    scores: ArrayLike,
    mask: ArrayLike,
    image: ArrayLike,
    threshold: float,
    voxel_volume: float = 1.0,
) -> list[Lesion]:
    """Separate a mask into lesions, and determine which of them a map detects.

    Parameters
    ----------
    scores
        The map, real and finite, shape (*spatial).
    mask
        The truth, bool, shape (*spatial), with at least one pixel set.
    image
        One channel, in which the contrast is measured, finite, shape (*spatial).
    threshold
        In the map's own unit, chosen on other images.
    voxel_volume
        For sizes in mm³ (of pictures, mm²); 1 gives voxels.

    Returns
    -------
    list of Lesion
        Lesions in the order of the grid.

    Raises
    ------
    InputError
        If the map or the image is not finite, the mask not bool or empty, the shapes differ, or
        the volume is not positive.
    """
    if not 0 < voxel_volume < float("inf"):
        raise InputError(f"voxel_volume is {voxel_volume}: it must be above 0 and finite")
    values, truth = checked_with_lesion(scores, mask)
    channel = np.asarray(image)
    if channel.shape != truth.shape or not np.isfinite(channel).all():
        raise InputError(
            f"The image has shape {channel.shape} and its mask {truth.shape}, or it holds NaN or "
            "infinite values: pass one channel, in the grid of the mask."
        )
    numbered, _ = components(truth)
    found, _ = components(values >= threshold)
    sizes = np.bincount(found.ravel())
    lesions = []
    for number, box in enumerate(find_objects(numbered), start=1):
        around = tuple(
            slice(max(0, side.start - _SURROUNDINGS), side.stop + _SURROUNDINGS) for side in box
        )
        inside = numbered[around] == number
        lesions.append(
            Lesion(
                size=np.count_nonzero(inside) * voxel_volume,
                contrast=_contrast(channel[around], inside, truth[around]),
                detected=_is_matched(found[around][inside], sizes),
            )
        )
    return lesions


@dataclass(frozen=True)
class DetectionBin:
    """One bin of lesions of similar size or contrast, with the sensitivity.

    Attributes
    ----------
    smallest, largest
        Value of the first and the last lesion of the bin.
    sensitivity
        Fraction of lesions that were detected.
    low, high
        Its Wilson 95 % interval, for independent lesions.
    count
        Number of lesions.
    """

    smallest: float
    largest: float
    sensitivity: float
    low: float
    high: float
    count: int


def detection_by(
    values: Sequence[float] | NDArray[np.float64],
    detected: Sequence[bool] | NDArray[np.bool_],
    bins: int = 4,
) -> tuple[DetectionBin, ...]:
    """Compute the lesion-wise sensitivity in bins of size or contrast.

    The bins depend only on the lesions, so they are the same for every method.

    Parameters
    ----------
    values
        Size or contrast of each lesion of all images, shape (L,).
    detected
        Whether it was detected, shape (L,).
    bins
        Number of bins with equal numbers of lesions; equal values share one bin, so there may be
        fewer. 1 gives the sensitivity over all lesions.

    Returns
    -------
    tuple of DetectionBin
        Bins in ascending order; none is empty.

    Raises
    ------
    InputError
        If there is no lesion, a value is not finite, there are more of one than of the other, or
        less than one bin.
    """
    sizes, found = np.asarray(values, dtype=np.float64), np.asarray(detected)
    if sizes.ndim != 1 or sizes.shape != found.shape or found.dtype != np.bool_:
        raise InputError(
            f"values {sizes.shape} and detected {found.shape} ({found.dtype}) do not fit: both "
            "have shape (lesions,), and detected is bool"
        )
    if not sizes.size:
        raise InputError("there are no lesions: sensitivity is not defined")
    if bad := sizes.size - np.count_nonzero(np.isfinite(sizes)):
        raise InputError(f"{bad} of {sizes.size} lesions have no finite value: leave them out")
    index = equal_mass_bins(sizes, bins)
    table = []
    for number in np.unique(index):
        inside = index == number
        count, hits = int(inside.sum()), int(found[inside].sum())
        low, high = wilson_interval(hits, count)
        ends = float(sizes[inside].min()), float(sizes[inside].max())
        table.append(DetectionBin(*ends, hits / count, low, high, count))
    return tuple(table)


def components(found: NDArray[np.bool_]) -> tuple[NDArray[np.int32], int]:
    """Label connected voxels, also across corners, from 1, and count the components."""
    numbered, number = label(found, generate_binary_structure(found.ndim, found.ndim))
    return numbered, int(number)


def _is_matched(found: NDArray[np.int32], sizes: NDArray[np.intp]) -> bool:
    """Return whether one of the components in a lesion's voxels (0 for none) matches the lesion."""
    shared = np.bincount(found, minlength=sizes.size)[1:]
    return bool((shared >= MATCH * (found.size + sizes[1:] - shared)).any())


def _contrast(
    channel: NDArray[np.generic], inside: NDArray[np.bool_], lesions: NDArray[np.bool_]
) -> float:
    structure = generate_binary_structure(inside.ndim, inside.ndim)
    around = binary_dilation(inside, structure, iterations=_SURROUNDINGS) & ~lesions
    values = channel.astype(np.float64)
    deviation = float(values[around].std()) if around.any() else 0.0
    if deviation == 0:
        return float("nan")
    return float(abs(values[inside].mean() - values[around].mean())) / deviation
