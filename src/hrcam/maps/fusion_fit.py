"""Learn the parameters of the fusion from the training images, without masks."""

from collections.abc import Iterable
from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt
import torch

from hrcam.errors import InputError
from hrcam.head.covariance import ALL_OTHERS, References
from hrcam.head.fit import Head
from hrcam.head.linear_models import Array
from hrcam.maps.fusion import BASELINES, LevelFusion
from hrcam.maps.moments import IN_CLASS, IN_REFERENCE, LevelMoments, memberships
from hrcam.maps.training_passes import CLASSES_AT_ONCE, MappedBatch, TrainingPasses
from hrcam.maps.weights import MapWeights

# The peak of a map is the mean of this share of its largest values: about the size of a small
# lesion, and less noisy than the maximum.
_PEAK = 0.004
# Peaks and extents are averaged over this many images, divided equally among the classes.
_PEAK_IMAGES = 128
# Numbers of images of each class and of its reference, (K, 2).
_Counts = npt.NDArray[np.int64]


def learn_fusion(
    passes: TrainingPasses,
    head: Head,
    image_classes: npt.NDArray[np.int64],
    centre: bool,
    reference: int | None,
) -> LevelFusion:
    """Choose the reference of each class, and learn the fusion of its level maps.

    With three classes or more, the reference of a class is the class over whose map peaks its own
    stand out most. With two classes each is the reference of the other. Where logits do not
    compete, each class is compared with all other images.

    Parameters
    ----------
    passes
        Passes over the training images.
    head
        The fitted head.
    image_classes
        The class of each image, shape (N,), or −1 for none.
    centre
        Whether the logits compete: as for ``fit``.
    reference
        The reference of all classes but itself; None to choose. It is ignored if no image is of
        that class, which happens when the CNN never predicts it.

    Raises
    ------
    InputError
        If there is no such class, or there are too many classes.
    """
    classes = len(head.bias)
    counts = np.bincount(image_classes[image_classes >= 0], minlength=classes)
    if reference is not None:
        _check_reference(reference, classes)
    learn = partial(_learn, passes, head, counts, len(image_classes))
    if not centre or not 1 < classes <= CLASSES_AT_ONCE:
        return learn(np.full(classes, ALL_OTHERS))[0]
    if classes == 2:
        return learn(np.array([1, 0]))[0]
    if reference is not None and counts[reference]:
        given = np.full(classes, reference)
        given[reference] = ALL_OTHERS
        return learn(given)[0]
    candidates = [_shifted(classes, by, counts) for by in range(1, classes)]
    if np.count_nonzero(counts) <= 2:
        return learn(np.max(candidates, axis=0))[0]
    gaps = np.array([learn(one, stop_early=True)[1] for one in candidates])
    best = np.argmax(np.nan_to_num(gaps, nan=-np.inf), axis=0)
    return learn(np.array(candidates)[best, np.arange(classes)])[0]


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


def _learn(
    passes: TrainingPasses,
    head: Head,
    counts: npt.NDArray[np.int64],
    images: int,
    references: References,
    *,
    stop_early: bool = False,
) -> tuple[LevelFusion, Array]:
    """Learn the fusion with given references, in two passes.

    The first pass takes the mean at each position from all images, or with ``stop_early`` from
    `_PEAK_IMAGES`. The second measures peaks and extents on `_PEAK_IMAGES`.

    Returns
    -------
    The fusion, and the mean peak of each class minus that of its reference by the global
    baseline, shape (K,); NaN for `ALL_OTHERS`, or where there are no images.
    """
    weights = MapWeights(head, passes.levels, references)
    moments = LevelMoments(references, len(passes.levels))
    reference_counts = np.where(references == ALL_OTHERS, images - counts, counts[references])
    share = max(1, _PEAK_IMAGES // max(1, int(np.count_nonzero(counts))))
    wanted = np.minimum(np.stack([counts, reference_counts], axis=1), share)
    seen = np.zeros_like(wanted)
    for batch in passes.mapped_batches(weights, "positions"):
        moments.add(batch.maps, batch.classes, batch.image_classes)
        if stop_early:
            _count(seen, batch, references)
            if np.all(seen >= wanted):
                break
    fusion = LevelFusion(
        passes.levels,
        references,
        tuple(moments.mean()),
        moments.std(),
        np.ones((len(counts), len(BASELINES)), dtype=np.bool_),
        np.zeros(len(counts)),
    )
    peaks, extents = _peaks_and_extents(fusion, passes.mapped_batches(weights, "maps"), wanted)
    gaps = peaks[:, IN_CLASS] - peaks[:, IN_REFERENCE]
    used = choose_baselines(gaps)
    global_gap = np.where(references == ALL_OTHERS, np.nan, gaps[:, BASELINES.index("global")])
    return replace(fusion, used_baselines=used, extent=_extent(extents, used)), global_gap


def choose_baselines(gaps: Array) -> npt.NDArray[np.bool_]:
    """Use a baseline where the peaks of a class are above those of its reference.

    Where that holds for neither baseline, or nothing is known, use both.

    Parameters
    ----------
    gaps
        Mean peak of the class minus that of its reference, by each of `BASELINES`, shape (K, 2);
        NaN where there are no images.
    """
    above = np.nan_to_num(gaps, nan=-1.0) > 0
    used: npt.NDArray[np.bool_] = above | ~above.any(1, keepdims=True)
    return used


def _peaks_and_extents(
    fusion: LevelFusion, batches: Iterable[MappedBatch], wanted: _Counts
) -> tuple[Array, Array]:
    """Return mean peaks of images of each class and of its reference, and mean extents.

    Parameters
    ----------
    fusion
        With the moments of the level maps.
    batches
        Level maps; the iteration stops once there are enough.
    wanted
        Numbers of images of each class and of its reference to measure, (K, 2).

    Returns
    -------
    peaks
        By membership and baseline, shape (K, 2, 2); NaN where there are no images.
    extents
        Share of the image above half the maximum by the local baseline, by the global one, and
        by the smaller of both, shape (K, 3); NaN for classes without images.
    """
    total, extents = np.zeros((len(wanted), 2, len(BASELINES))), np.zeros((len(wanted), 3))
    seen = np.zeros_like(wanted)
    for batch in batches:
        membership = memberships(batch.classes, batch.image_classes, fusion.references)
        for image, column in torch.nonzero(membership <= IN_REFERENCE).tolist():
            name, kind = int(batch.classes[image, column]), int(membership[image, column])
            if seen[name, kind] >= wanted[name, kind]:
                continue
            seen[name, kind] += 1
            maps = [level[image, column][None] for level in batch.maps]
            deviation = fusion.log_deviation(maps, torch.tensor([name]), batch.grid)[0][0]
            total[name, kind] += _peaks(deviation)
            if kind == IN_CLASS:
                smaller = deviation.amin(0, keepdim=True)
                extents[name] += _extents(torch.cat([deviation, smaller]))
        if np.all(seen >= wanted):
            break
    with np.errstate(invalid="ignore"):
        return total / seen[..., None], extents / seen[:, IN_CLASS, None]


def _peaks(maps: torch.Tensor) -> Array:
    values = maps.flatten(1)
    peak: Array = values.topk(max(1, round(_PEAK * values.shape[1]))).values.mean(1).cpu().numpy()
    return peak


def _extents(log_deviation: torch.Tensor) -> Array:
    values = log_deviation.flatten(1).expm1()
    above = values > values.amax(1, keepdim=True) / 2
    extents: Array = above.cpu().double().mean(1).numpy()
    return extents


def _extent(extents: Array, used: npt.NDArray[np.bool_]) -> Array:
    """Return the extent by the used baselines, (K,); classes without images get the mean."""
    chosen = np.where(
        used.all(1), extents[:, 2], np.where(used[:, 0], extents[:, 0], extents[:, 1])
    )
    known = ~np.isnan(chosen)
    return np.where(known, chosen, chosen[known].mean() if known.any() else 0.0)


def _count(seen: _Counts, batch: MappedBatch, references: References) -> None:
    """Add the images of a batch to the numbers of images of each class and of its reference."""
    membership = memberships(batch.classes, batch.image_classes, references)
    counted = membership <= IN_REFERENCE
    np.add.at(seen, (batch.classes[counted].numpy(), membership[counted].numpy()), 1)
