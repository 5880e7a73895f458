"""Scores of findings against masks: overlap, detected lesions, false positives, with intervals."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hrcam.artifacts.scan_findings import MaskScores
from hrcam.errors import InputError
from hrcam.evaluation.bootstrap import draw_subjects, subject_indices
from hrcam.evaluation.estimate import Estimate, bootstrap_estimate
from hrcam.evaluation.lesion_scores import MATCH, components


def score_findings(labels: ArrayLike, mask: ArrayLike) -> MaskScores:
    """Score the regions of one image.

    A region and a lesion, a component of the mask, match if their intersection over union is 0.1
    or more, as in `hrcam.evaluation.lesion_scores`.

    Parameters
    ----------
    labels
        The index of the region at each voxel, 0 elsewhere, shape (*spatial).
    mask
        The truth, bool, shape (*spatial); empty if the image has no lesion.

    Returns
    -------
    MaskScores

    Raises
    ------
    InputError
        If the labels are not whole numbers, the mask not bool, or the shapes differ.
    """
    found, truth = np.asarray(labels), np.asarray(mask)
    if found.dtype.kind not in "iu" or truth.dtype != np.bool_ or found.shape != truth.shape:
        raise InputError(
            f"labels {found.shape} ({found.dtype}) and mask {truth.shape} ({truth.dtype}) do not "
            "fit: pass whole numbers and bool, of one shape"
        )
    lesions, number = components(truth)
    regions = np.unique(found[found > 0])
    # Voxels that each pair of a lesion (from 1) and a region shares.
    inside = (found > 0) & truth
    row, column = lesions[inside] - 1, np.searchsorted(regions, found[inside])
    shared = np.zeros((number, regions.size), np.int64)
    np.add.at(shared, (row, column), 1)
    of_lesion = np.bincount(lesions.ravel(), minlength=number + 1)[1:, None]
    of_region = np.bincount(np.searchsorted(regions, found[found > 0]), minlength=regions.size)
    match = shared >= MATCH * (of_lesion + of_region - shared)
    both, either = int(shared.sum()), int(np.count_nonzero((found > 0) | truth))
    return MaskScores(
        dice=2 * both / (both + either) if number else None,
        iou=both / either if number else None,
        lesions=number,
        detected=int(match.any(1).sum()),
        false_positives=int((~match.any(0)).sum()),
    )


@dataclass(frozen=True)
class FindingSummary:
    """Scores of the findings of several images, with intervals over subjects.

    Attributes
    ----------
    images, lesions
        Number of images with a mask that is not empty, and of their lesions.
    dice, iou
        Means over these images.
    sensitivity
        Share of all lesions that were detected.
    false_positives
        Mean number of regions of an image that match no lesion, empty masks included.
    """

    images: int
    lesions: int
    dice: Estimate
    iou: Estimate
    sensitivity: Estimate
    false_positives: Estimate


def summarise_findings(
    scores: Sequence[MaskScores],
    groups: ArrayLike | None = None,
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> FindingSummary:
    """Summarise the scores of images; subjects are resampled with all their images.

    Parameters
    ----------
    scores
        Of each image.
    groups
        The subject of each image; None if every image is of another subject.
    resamples
        Number of resamples.
    seed
        Random seed.

    Raises
    ------
    InputError
        If there are fewer than two subjects, or groups do not fit.
    """
    subjects = subject_indices(groups, len(scores))
    draws = draw_subjects(subjects, resamples, seed)
    ill = np.array([one.lesions > 0 for one in scores], float)
    lesions = np.array([one.lesions for one in scores], float)

    def ratio(above: Sequence[float | None], below: NDArray[np.float64]) -> Estimate:
        """Sum of one over the sum of the other, and its interval."""
        over = np.bincount(subjects, np.array([value or 0 for value in above], float))
        under = np.bincount(subjects, below)
        with np.errstate(invalid="ignore"):  # undefined where there is nothing to divide by
            value, resampled = over.sum() / under.sum(), (draws @ over) / (draws @ under)
        return bootstrap_estimate(float(value), resampled)

    return FindingSummary(
        images=int(ill.sum()),
        lesions=int(lesions.sum()),
        dice=ratio([one.dice for one in scores], ill),
        iou=ratio([one.iou for one in scores], ill),
        sensitivity=ratio([one.detected for one in scores], lesions),
        false_positives=ratio([one.false_positives for one in scores], np.ones(len(scores))),
    )
