"""Scores of one predictor: of all test scans together, of each fold, and as means over folds."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hrcam.evaluation.estimate import Estimate


def scores_by_fold(
    folds: NDArray[np.int64],
    scored: Callable[[NDArray[np.bool_]], dict[str, Any]],
    metrics: Iterable[str],
) -> dict[str, Any]:
    """Score all predictions, and those of each fold.

    Parameters
    ----------
    folds
        The fold of each prediction, shape (N,).
    scored
        Scores the predictions of a mask, shape (N,): each metric as ``{"value", "low", "high"}``.
    metrics
        What is averaged over folds.

    Returns
    -------
    dict
        ``pooled``; ``folds``, in their order; ``fold_mean``, None for one fold.
    """
    of_folds = [scored(folds == number) for number in np.unique(folds)]
    return {
        "pooled": scored(np.ones(folds.shape, np.bool_)),
        "folds": of_folds,
        "fold_mean": _mean(of_folds, metrics) if len(of_folds) > 1 else None,
    }


def _mean(folds: Sequence[Mapping[str, Any]], metrics: Iterable[str]) -> dict[str, Any]:
    """Return the mean of each metric over folds: pooled, networks with other scales are mixed."""
    found = {}
    for metric in metrics:
        values = [one[metric]["value"] for one in folds]
        value = None if None in values else float(np.mean(values))
        found[metric] = Estimate(value).to_json()
    return found
