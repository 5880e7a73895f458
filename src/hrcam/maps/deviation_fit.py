"""Learn what the level pattern maps are on reference images, without masks."""

from collections.abc import Collection, Iterable
from functools import partial

import numpy as np
import numpy.typing as npt
import torch

from hrcam.errors import InputError
from hrcam.head.covariance import ALL_OTHERS, References
from hrcam.head.fit import Head
from hrcam.head.linear_models import Array
from hrcam.maps.deviation import ReferenceMoments, log_deviations
from hrcam.maps.level_sum import sum_levels
from hrcam.maps.training_passes import CLASSES_AT_ONCE, MappedBatch, TrainingPasses
from hrcam.maps.weights import MapWeights

# Number of images that the maps are measured on, divided equally among the classes.
_IMAGES = 256
# Half of them suffice to choose among references.
_IMAGES_TO_CHOOSE = 128
# The peak of a map is the mean of this share of its largest values: about the size of a small
# lesion, and less noisy than the maximum.
_PEAK = 0.004
IN_CLASS, IN_REFERENCE, IN_NEITHER = 0, 1, 2


def learn_moments(
    passes: TrainingPasses,
    head: Head,
    centre: bool,
    reference: int | None,
    generator: np.random.Generator,
) -> ReferenceMoments:
    """Choose the reference of each class, and measure its level pattern maps on the reference.

    With three classes or more, the reference of a class is the class over whose map peaks its own
    stand out most. With two classes each is the reference of the other. Where logits do not
    compete, each class is compared with all other images.

    Parameters
    ----------
    passes
        Passes over the training images.
    head
        The fitted head.
    centre
        Whether the logits compete: as for ``fit``.
    reference
        The reference of all classes but itself; None to choose. It is ignored if no image is of
        that class, which happens when the CNN never predicts it.
    generator
        Draws the images.

    Raises
    ------
    InputError
        If there is no such class, or there are too many classes.
    """
    classes = len(head.bias)
    image_classes = passes.image_classes
    counts = np.bincount(image_classes[image_classes >= 0], minlength=classes)
    if reference is not None:
        _check_reference(reference, classes)
    indices = passes.draw(_IMAGES, generator)
    measure = partial(_moments, passes, head, indices)
    if not centre or not 1 < classes <= CLASSES_AT_ONCE:
        return measure(np.full(classes, ALL_OTHERS))
    if classes == 2:
        return measure(np.array([1, 0]))
    if reference is not None and counts[reference]:
        given = np.full(classes, reference)
        given[reference] = ALL_OTHERS
        return measure(given)
    candidates = [_shifted(classes, by, counts) for by in range(1, classes)]
    if np.count_nonzero(counts) <= 2:
        return measure(np.max(candidates, axis=0))
    some = passes.draw(_IMAGES_TO_CHOOSE, generator)
    gaps = np.array([_peak_gaps(passes, head, some, one) for one in candidates])
    best = np.argmax(np.nan_to_num(gaps, nan=-np.inf), axis=0)
    return measure(np.array(candidates)[best, np.arange(classes)])


def _check_reference(reference: int, classes: int) -> None:
    if not 0 <= reference < classes:
        raise InputError(f"the reference is {reference}: use the index of one of {classes} classes")
    if classes > CLASSES_AT_ONCE:
        raise InputError(
            f"with more than {CLASSES_AT_ONCE} classes each is compared with all others: leave "
            "out the reference"
        )


def _shifted(classes: int, by: int, counts: npt.NDArray[np.int64]) -> References:
    """Let class c refer to class (c + by) mod K where both have images."""
    others = (np.arange(classes) + by) % classes
    return np.where((counts > 0) & (counts[others] > 0), others, ALL_OTHERS)


def memberships(
    classes: torch.Tensor, image_classes: torch.Tensor, references: References
) -> torch.Tensor:
    """Tell for each class whether an image is of the class, of its reference, or of neither.

    Parameters
    ----------
    classes
        Shape (B, M).
    image_classes
        The class of each image, shape (B,), or −1 for none.
    references
        As in `hrcam.head.covariance`.

    Returns
    -------
    `IN_CLASS`, `IN_REFERENCE` or `IN_NEITHER`, shape (B, M).
    """
    reference = torch.from_numpy(references)[classes]
    in_class = classes == image_classes[:, None]
    in_reference = (reference == ALL_OTHERS) | (reference == image_classes[:, None])
    others = torch.where(in_reference, IN_REFERENCE, IN_NEITHER)
    return torch.where(in_class, IN_CLASS, others)


def _moments(
    passes: TrainingPasses, head: Head, indices: Collection[int], references: References
) -> ReferenceMoments:
    """Measure the maps on images of the reference; on the class's own where there are none."""
    weights = MapWeights(head, passes.levels, references)
    return reference_moments(passes.mapped_batches(weights, indices, "moments"), references)


def reference_moments(batches: Iterable[MappedBatch], references: References) -> ReferenceMoments:
    """Return the moments of the level maps in the batches, over positions and reference images.

    Where a class has no image of its reference, its own images are used.
    """
    slots = 3 * len(references)
    count, sums, squares = np.zeros(slots), np.zeros((1, slots)), np.zeros((1, slots))
    for batch in batches:
        membership = memberships(batch.classes, batch.image_classes, references)
        slot = (batch.classes * 3 + membership).flatten().numpy()
        np.add.at(count, slot, 1)
        first, second = (
            np.stack([_mean(level**power) for level in batch.maps]) for power in (1, 2)
        )
        sums = sums + _by_slot(first, slot, slots)
        squares = squares + _by_slot(second, slot, slots)
    chosen = np.where(count.reshape(-1, 3)[:, IN_REFERENCE] > 0, IN_REFERENCE, IN_CLASS)
    rows = 3 * np.arange(len(references)) + chosen
    number = np.maximum(count[rows], 1)[:, None]
    mean, square = sums[:, rows].T / number, squares[:, rows].T / number
    return ReferenceMoments(references, mean, np.sqrt(np.maximum(square - mean**2, 0)))


def _mean(maps: torch.Tensor) -> Array:
    """Average each map over its positions, (B · M,), on the CPU, which has double precision."""
    mean: Array = maps.flatten(2).mean(2).flatten().cpu().double().numpy()
    return mean


def _by_slot(values: Array, slot: npt.NDArray[np.int64], slots: int) -> Array:
    """Sum the values (L, N) of each slot, (L, slots)."""
    return np.stack([np.bincount(slot, level, minlength=slots) for level in values])


def _peak_gaps(
    passes: TrainingPasses, head: Head, indices: Collection[int], references: References
) -> Array:
    """Return the mean peak of each class minus that of its reference, shape (K,).

    NaN where there are no images of either, or for `ALL_OTHERS`.
    """
    moments = _moments(passes, head, indices, references)
    weights = MapWeights(head, passes.levels, references, moments)
    total, count = np.zeros((len(references), 2)), np.zeros((len(references), 2))
    for batch in passes.mapped_batches(weights, indices, "peaks"):
        membership = memberships(batch.classes, batch.image_classes, references)
        for column in range(batch.classes.shape[1]):
            terms = [one[:, :1] for one in log_deviations([m[:, column] for m in batch.maps])]
            deviation = sum_levels(terms, passes.levels, batch.grid)[:, 0].flatten(1)
            number = max(1, round(_PEAK * deviation.shape[1]))
            peaks = deviation.topk(number).values.mean(1).cpu().numpy()
            kind = membership[:, column].numpy()
            known = kind <= IN_REFERENCE
            place = (batch.classes[:, column].numpy()[known], kind[known])
            np.add.at(total, place, peaks[known])
            np.add.at(count, place, 1)
    with np.errstate(invalid="ignore"):
        peak = total / count
    gaps: Array = np.where(
        references == ALL_OTHERS, np.nan, peak[:, IN_CLASS] - peak[:, IN_REFERENCE]
    )
    return gaps
