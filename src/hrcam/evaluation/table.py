"""Tables of localisation scores: one row per method, with intervals over subjects."""

from collections.abc import Mapping, Sequence

from hrcam.errors import InputError, require

require(__name__, "report", "pandas")

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from hrcam.evaluation.bootstrap import bootstrap_interval
from hrcam.evaluation.localisation import LocalisationScores, choose_threshold, score_maps


def localisation_table(
    maps: Mapping[str, Sequence[ArrayLike] | NDArray[np.generic]],
    masks: Sequence[ArrayLike] | NDArray[np.bool_],
    *,
    thresholds: Mapping[str, float] | None = None,
    groups: ArrayLike | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Score the maps of several methods on the same images.

    Parameters
    ----------
    maps
        For each method one map per image, (N, *spatial) or N arrays of any shapes.
    masks
        One bool mask per image. Images with an empty mask are left out.
    thresholds
        Threshold for each method's Dice, chosen on other images with `choose_threshold`. None: the
        subjects are divided in two at random, and each half is scored at the best threshold of
        the other half.
    groups
        The subject of each image, shape (N,). None if every image is of another subject.
    seed
        Random seed of the division and the bootstrap.

    Returns
    -------
    pandas.DataFrame
        Table as of `scores_table`.

    Raises
    ------
    InputError
        If maps and masks do not fit, a threshold is missing, or there are fewer than two subjects
        with a lesion.
    """
    scores = {}
    for method, stack in maps.items():
        if thresholds is None:
            at: float | Sequence[float] = crossed_thresholds(stack, masks, groups, seed)
        elif method in thresholds:
            at = thresholds[method]
        else:
            raise InputError(f"No threshold is given for {method!r}: {sorted(thresholds)}.")
        scores[method] = score_maps(stack, masks, at)
    return scores_table(scores, groups=groups, seed=seed)


def scores_table(
    scores: Mapping[str, LocalisationScores], *, groups: ArrayLike | None = None, seed: int = 0
) -> pd.DataFrame:
    """Average each method's scores over images, with 95 % bootstrap intervals over subjects.

    Parameters
    ----------
    scores
        Each method's scores, all on the same N images.
    groups
        The subject of each image, shape (N,). None if every image is of another subject.
    seed
        Random seed of the bootstrap, whose resamples are the same for all methods.

    Returns
    -------
    pandas.DataFrame
        One row per method, in the given order: ``method``; ``auprc``, ``pointing`` and ``dice``,
        each followed by its ``_low`` and ``_high``; ``images``, the number scored.

    Raises
    ------
    InputError
        If there are fewer than two subjects with a lesion.
    """
    rows = []
    for method, score in scores.items():
        scored = score.scored
        subjects = None if groups is None else _labels(groups, scored.size)[scored]
        row: dict[str, str | float | int] = {"method": method}
        for name in ("auprc", "pointing", "dice"):
            values = getattr(score, name)[scored]
            low, high = bootstrap_interval(values, subjects, seed=seed)
            row |= {name: float(values.mean()), f"{name}_low": low, f"{name}_high": high}
        rows.append(row | {"images": int(scored.sum())})
    return pd.DataFrame(rows)


def crossed_thresholds(
    maps: Sequence[ArrayLike] | NDArray[np.generic],
    masks: Sequence[ArrayLike] | NDArray[np.bool_],
    groups: ArrayLike | None = None,
    seed: int = 0,
) -> list[float]:
    """Return for each image the best threshold of the half of the subjects that it is not in.

    Parameters
    ----------
    maps
        One map per image, (N, *spatial) or N arrays whose shapes may differ.
    masks
        One bool mask per image.
    groups
        The subject of each image, shape (N,). None if every image is of another subject.
    seed
        Random seed of the division.

    Returns
    -------
    list of float
        One threshold per image; NaN if the mask is empty.

    Raises
    ------
    InputError
        If maps and masks do not fit, or fewer than two subjects have a lesion.
    """
    if len(maps) != len(masks):
        raise InputError(f"{len(maps)} maps were given for {len(masks)} masks.")
    lesions = np.flatnonzero([np.any(mask) for mask in masks])
    subjects = _labels(np.arange(len(masks)) if groups is None else groups, len(masks))[lesions]
    names = np.random.default_rng(seed).permutation(np.unique(subjects))
    if names.size < 2:
        raise InputError(
            f"Dice needs a threshold from other subjects, but subjects with a lesion: {names.size}."
        )
    first = np.isin(subjects, names[: names.size // 2])
    thresholds = np.full(len(masks), np.nan)
    for half, other in ((lesions[first], lesions[~first]), (lesions[~first], lesions[first])):
        thresholds[half] = choose_threshold((maps[i] for i in other), (masks[i] for i in other))
    return thresholds.tolist()


def _labels(groups: ArrayLike, images: int) -> NDArray[np.generic]:
    labels = np.asarray(groups)
    if labels.shape != (images,):
        raise InputError(f"Groups have shape {labels.shape}, the images ({images},).")
    return labels
