"""Learn what the level pattern maps are on reference images, without masks."""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import torch

from hrcam.errors import InputError
from hrcam.head.covariance import ALL_OTHERS, References
from hrcam.head.fit import Head
from hrcam.head.linear_models import Array
from hrcam.maps.deviation import ReferenceMoments
from hrcam.maps.training_passes import CLASSES_AT_ONCE, MappedBatch, TrainingPasses
from hrcam.maps.weights import MapWeights

# Number of images that the maps are measured on, divided equally among the classes.
_IMAGES = 256
IN_CLASS, IN_REFERENCE, IN_NEITHER = 0, 1, 2


def learn_moments(
    passes: TrainingPasses,
    head: Head,
    centre: bool,
    reference: int | None,
    generator: np.random.Generator,
) -> ReferenceMoments:
    """Measure the level pattern maps of each class on images of its reference.

    Of two classes each is the reference of the other. With more, a class is compared with the
    given reference, or with all other images if none is given. If the logits do not compete, it is
    compared with the images whose logit is not above the median.

    Parameters
    ----------
    passes
        Passes over the training images.
    head
        The fitted head.
    centre
        Whether the logits compete: as for ``fit``.
    reference
        The reference of all classes but itself, or None. It is ignored if no image is of that
        class, which happens when the CNN never predicts it.
    generator
        Draws the images.

    Raises
    ------
    InputError
        If there is no such class, or there are too many classes.
    """
    classes = len(head.bias)
    if reference is not None:
        _check_reference(reference, classes)
    references = _references(classes, centre, reference, passes.image_classes)
    weights = MapWeights(head, passes.levels, references)
    indices = passes.draw(_IMAGES, generator)
    return reference_moments(passes.mapped_batches(weights, indices, "moments"), references)


def _check_reference(reference: int, classes: int) -> None:
    if not 0 <= reference < classes:
        raise InputError(f"the reference is {reference}: use the index of one of {classes} classes")
    if classes > CLASSES_AT_ONCE:
        raise InputError(
            f"with more than {CLASSES_AT_ONCE} classes each is compared with all others: leave "
            "out the reference"
        )


def _references(
    classes: int, centre: bool, reference: int | None, image_classes: npt.NDArray[np.int64]
) -> References:
    references = np.full(classes, ALL_OTHERS)
    if not centre or classes > CLASSES_AT_ONCE:
        return references
    present = np.arange(2) if classes == 2 else np.unique(image_classes[image_classes >= 0])
    if classes > 2 and reference in present:
        references[:] = reference
        references[reference] = ALL_OTHERS
    elif len(present) == 2:
        references[present] = present[::-1]
    return references


def memberships(
    classes: torch.Tensor,
    image_classes: torch.Tensor,
    references: References,
    members: torch.Tensor | None = None,
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
    members
        Whether each image is of each of the classes, shape (B, M), where it can be of several.

    Returns
    -------
    `IN_CLASS`, `IN_REFERENCE` or `IN_NEITHER`, shape (B, M).
    """
    reference = torch.from_numpy(references)[classes]
    in_class = classes == image_classes[:, None] if members is None else members
    in_reference = (reference == ALL_OTHERS) | (reference == image_classes[:, None])
    others = torch.where(in_reference, IN_REFERENCE, IN_NEITHER)
    return torch.where(in_class, IN_CLASS, others)


def reference_moments(batches: Iterable[MappedBatch], references: References) -> ReferenceMoments:
    """Return the moments of the level maps in the batches, over positions and reference images.

    Where a class has no image of its reference, its own images are used.
    """
    slots = 3 * len(references)
    count, sums, squares = np.zeros(slots), np.zeros((1, slots)), np.zeros((1, slots))
    for batch in batches:
        membership = memberships(batch.classes, batch.image_classes, references, batch.members)
        slot = (batch.classes * 3 + membership).flatten().numpy()
        np.add.at(count, slot, 1)
        # In double precision, which not every device has: squares of a constant must cancel.
        values = [level.flatten(2).cpu().double() for level in batch.maps]
        sums = sums + _by_slot([one.mean(2) for one in values], slot, slots)
        squares = squares + _by_slot([one.square().mean(2) for one in values], slot, slots)
    chosen = np.where(count.reshape(-1, 3)[:, IN_REFERENCE] > 0, IN_REFERENCE, IN_CLASS)
    rows = 3 * np.arange(len(references)) + chosen
    number = np.maximum(count[rows], 1)[:, None]
    mean, square = sums[:, rows].T / number, squares[:, rows].T / number
    return ReferenceMoments(references, mean, np.sqrt(np.maximum(square - mean**2, 0)))


def _by_slot(values: Sequence[torch.Tensor], slot: npt.NDArray[np.int64], slots: int) -> Array:
    """Sum each level's values (B, M) by their slot, shape (L, slots)."""
    return np.stack([np.bincount(slot, one.flatten().numpy(), slots) for one in values])
