"""What a thresholded map finds: overlap, mass in the lesion, single lesions, false positives.

Thresholds are in the map's own unit: choose one on other images, with ``choose_threshold`` of
`hrcam.evaluation.localisation`. Voxels that touch, also at a corner only, are one component.
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

# How far a lesion's surroundings reach, in voxels.
_SURROUNDINGS = 3
# Intersection over union at which a component is a lesion's.
_MATCH = 0.1


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
    """Share of the map's positive mass that lies in the mask.

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
    """What a threshold finds in an image without a lesion.

    Attributes
    ----------
    count
        Number of connected components.
    share
        Share of the image's voxels that they cover: one component may cover them all.
    """

    count: int
    share: float


def false_positives(scores: ArrayLike, threshold: float) -> FalsePositives:
    """Count what lies at or above a threshold in the map of an image without a lesion.

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
    return FalsePositives(_components(found)[1], float(found.mean()))


@dataclass(frozen=True)
class Lesion:
    """One connected component of a mask.

    Attributes
    ----------
    size
        Number of voxels times the voxel's volume.
    contrast
        How far the mean of the image in the lesion is from that of its surroundings, in standard
        deviations of the surroundings (contrast-to-noise ratio), not negative. The surroundings
        are the voxels within 3 of the lesion that are in no lesion. NaN where there are none, or
        where they are flat.
    detected
        Whether a component of the thresholded map matches the lesion: their intersection over
        union is 0.1 or more, as in nnDetection (Baumgartner et al., MICCAI 2021). Were it enough
        to touch it, a random map would find every lesion.
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
    """Take a mask apart into lesions, and see which of them a map finds.

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
        In the order of the grid.

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
    components, _ = _components(truth)
    found, _ = _components(values >= threshold)
    sizes = np.bincount(found.ravel())
    lesions = []
    for number, box in enumerate(find_objects(components), start=1):
        around = tuple(
            slice(max(0, side.start - _SURROUNDINGS), side.stop + _SURROUNDINGS) for side in box
        )
        inside = components[around] == number
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
    """Lesions that are alike in size or contrast, and how many of them were found.

    Attributes
    ----------
    smallest, largest
        Value of the first and the last lesion of the bin.
    sensitivity
        Share of the lesions that were detected.
    low, high
        Wilson's 95 % interval of it, as if the lesions were independent.
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
    """Lesion-wise sensitivity, from the smallest lesions to the largest, or the faintest.

    The bins depend on the lesions alone, so they are the same for every method.

    Parameters
    ----------
    values
        Size or contrast of each lesion, of all images together, shape (L,).
    detected
        Whether it was found, shape (L,).
    bins
        How many bins of equally many lesions; equal values stay in one bin, so there may be
        fewer. 1 gives the sensitivity over all lesions.

    Returns
    -------
    tuple of DetectionBin
        None is empty.

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


def _components(found: NDArray[np.bool_]) -> tuple[NDArray[np.int32], int]:
    components, number = label(found, generate_binary_structure(found.ndim, found.ndim))
    return components, int(number)


def _is_matched(found: NDArray[np.int32], sizes: NDArray[np.intp]) -> bool:
    """Whether one of the components found in a lesion's voxels, 0 for none, matches the lesion."""
    shared = np.bincount(found, minlength=sizes.size)[1:]
    return bool((shared >= _MATCH * (found.size + sizes[1:] - shared)).any())


def _contrast(
    channel: NDArray[np.generic], inside: NDArray[np.bool_], lesions: NDArray[np.bool_]
) -> float:
    structure = generate_binary_structure(inside.ndim, inside.ndim)
    around = binary_dilation(inside, structure, iterations=_SURROUNDINGS) & ~lesions
    values = channel.astype(np.float64)
    spread = float(values[around].std()) if around.any() else 0.0
    if spread == 0:
        return float("nan")
    return float(abs(values[inside].mean() - values[around].mean())) / spread
