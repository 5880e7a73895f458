"""Learn what each class is compared with, and how: without a mask, from the levels' own maps."""

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
from hrcam.maps.fusion import VIEWS, LevelFusion
from hrcam.maps.moments import OWN, REFERENCE, LevelMoments, roles
from hrcam.maps.training_passes import CLASSES_AT_ONCE, Watch, Watched
from hrcam.maps.weights import MapWeights

# The peak of a map is the mean of this share of its largest values: about the size of a small
# lesion, and less noisy than the maximum alone.
_PEAK = 0.004
# Peaks and extents are means over this many images, shared between the classes.
_COMPARED = 128
# Numbers of images of each class and of its reference, (K, 2).
_Numbers = npt.NDArray[np.int64]


def learn_fusion(
    watch: Watch, head: Head, own: npt.NDArray[np.int64], centre: bool, reference: int | None
) -> LevelFusion:
    """Choose each class's reference, and learn how its level maps become one pattern map.

    Of several classes the reference of one is the class that its images stand out from most: the
    one whose maps have the lowest peaks below those of its own. Between two classes, and where
    logits do not compete, there is nothing to choose.

    Parameters
    ----------
    watch
        The training images.
    head
        Fitted.
    own
        The class of each image, shape (N,), or −1 for none.
    centre
        Whether the logits compete: as for ``fit``.
    reference
        That of all classes but itself; None to choose. One that no image is of, as a CNN may
        never name it, can be none.

    Raises
    ------
    InputError
        If there is no such class, or there are too many classes.
    """
    classes = len(head.bias)
    counts = np.bincount(own[own >= 0], minlength=classes)
    if reference is not None:
        _check_reference(reference, classes)
    learn = partial(_learn, watch, head, counts, len(own))
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
    gaps = np.array([learn(one, few=True)[1] for one in candidates])
    best = np.argmax(np.nan_to_num(gaps, nan=-np.inf), axis=0)
    return learn(np.array(candidates)[best, np.arange(classes)])[0]


def _check_reference(reference: int, classes: int) -> None:
    if not 0 <= reference < classes:
        raise InputError(f"the reference is {reference}: use the index of one of {classes} classes")
    if classes > CLASSES_AT_ONCE:
        raise InputError(
            f"with more than {CLASSES_AT_ONCE} classes each is compared with others, and there is "
            "no reference: leave it out"
        )


def _shifted(classes: int, by: int, counts: npt.NDArray[np.int64]) -> References:
    """Compare each class with the one that many places on, if there are images of both."""
    others = (np.arange(classes) + by) % classes
    return np.where((counts > 0) & (counts[others] > 0), others, ALL_OTHERS)


def _learn(
    watch: Watch,
    head: Head,
    counts: npt.NDArray[np.int64],
    images: int,
    references: References,
    *,
    few: bool = False,
) -> tuple[LevelFusion, Array]:
    """Learn the fusion against given references, and by how much peaks stand out from theirs.

    One whole pass, for the mean at each position, unless a few images will do, and one that ends
    after some images of each class.

    Returns
    -------
    The fusion, and the mean peak of each class less that of its reference, anywhere in the image,
    shape (K,); NaN for `ALL_OTHERS`, or where there are no images.
    """
    weights = MapWeights(head, watch.levels, references)
    moments = LevelMoments(references, len(watch.levels))
    compared = np.where(references == ALL_OTHERS, images - counts, counts[references])
    share = max(1, _COMPARED // max(1, int(np.count_nonzero(counts))))
    wanted = np.minimum(np.stack([counts, compared], axis=1), share)
    seen = np.zeros_like(wanted)
    for maps, classes, own, _ in watch.level_maps(weights, "positions"):
        moments.add(maps, classes, own)
        if few:
            _count(seen, classes, roles(classes, own, references))
            if np.all(seen >= wanted):
                break
    fusion = LevelFusion(
        watch.levels,
        references,
        tuple(moments.mean()),
        moments.spread(),
        np.ones((len(counts), len(VIEWS)), dtype=np.bool_),
        np.zeros(len(counts)),
    )
    peaks, extents = _watch_maps(fusion, watch.level_maps(weights, "maps"), wanted)
    gaps = peaks[:, OWN] - peaks[:, REFERENCE]
    views = choose_views(gaps)
    alone = np.where(references == ALL_OTHERS, np.nan, gaps[:, VIEWS.index("anywhere")])
    return replace(fusion, views=views, extent=_extent(extents, views)), alone


def choose_views(gaps: Array) -> npt.NDArray[np.bool_]:
    """Let a view count where the peaks of a class are above those of its reference.

    Where none is, or nothing is known, both count.

    Parameters
    ----------
    gaps
        Mean peak of the class less that of its reference, by each of `VIEWS`, shape (K, 2); NaN
        where there are no images.
    """
    above = np.nan_to_num(gaps, nan=-1.0) > 0
    views: npt.NDArray[np.bool_] = above | ~above.any(1, keepdims=True)
    return views


def _watch_maps(
    fusion: LevelFusion, watched: Iterable[Watched], wanted: _Numbers
) -> tuple[Array, Array]:
    """Return mean peaks of images of each class and of its reference, and mean extents.

    Parameters
    ----------
    fusion
        With the moments of the level maps.
    watched
        Batches of level maps; not all are taken.
    wanted
        How many images of each class and of its reference are looked at, (K, 2).

    Returns
    -------
    peaks
        By role and view, shape (K, 2, 2); NaN where there are no images.
    extents
        Share of the image that is above half the maximum: by the view of the place, by that of
        anywhere, and by both, shape (K, 3); NaN for classes without images.
    """
    total, extents = np.zeros((len(wanted), 2, len(VIEWS))), np.zeros((len(wanted), 3))
    seen = np.zeros_like(wanted)
    for maps, classes, own, grid in watched:
        role = roles(classes, own, fusion.references)
        for image, column in torch.nonzero(role <= REFERENCE).tolist():
            name, kind = int(classes[image, column]), int(role[image, column])
            if seen[name, kind] >= wanted[name, kind]:
                continue
            seen[name, kind] += 1
            one = [level[image, column][None] for level in maps]
            surprise = fusion.surprise(one, torch.tensor([name]), grid)[0][0]
            total[name, kind] += _peaks(surprise)
            if kind == OWN:
                extents[name] += _extents(torch.cat([surprise, surprise.amin(0, keepdim=True)]))
        if np.all(seen >= wanted):
            break
    with np.errstate(invalid="ignore"):
        return total / seen[..., None], extents / seen[:, OWN, None]


def _peaks(maps: torch.Tensor) -> Array:
    values = maps.flatten(1)
    peak: Array = values.topk(max(1, round(_PEAK * values.shape[1]))).values.mean(1).cpu().numpy()
    return peak


def _extents(surprise: torch.Tensor) -> Array:
    values = surprise.flatten(1).expm1()
    above = values > values.amax(1, keepdim=True) / 2
    extents: Array = above.double().mean(1).cpu().numpy()
    return extents


def _extent(extents: Array, views: npt.NDArray[np.bool_]) -> Array:
    """Return the extent by the views that count, (K,); classes without images get the mean."""
    chosen = np.where(
        views.all(1), extents[:, 2], np.where(views[:, 0], extents[:, 0], extents[:, 1])
    )
    known = ~np.isnan(chosen)
    return np.where(known, chosen, chosen[known].mean() if known.any() else 0.0)


def _count(seen: _Numbers, classes: torch.Tensor, role: torch.Tensor) -> None:
    looked_at = role <= REFERENCE
    np.add.at(seen, (classes[looked_at].numpy(), role[looked_at].numpy()), 1)
