"""How well the networks of all repeats predict together."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hrcam.evaluation.prediction import paired_difference, score_predictions
from hrcam.evaluation.prediction_metrics import METRICS
from hrcam.training.prediction_arrays import PredictionArrays


def mean_over_repeats(found: PredictionArrays) -> NDArray[np.float64]:
    """Return for each prediction the mean probabilities of its scan over all repeats, (N, K)."""
    names, scans = np.unique(found.scans, return_inverse=True)
    sums = np.zeros((len(names), found.probabilities.shape[1]))
    np.add.at(sums, scans, found.probabilities)
    means: NDArray[np.float64] = (sums / np.bincount(scans)[:, None])[scans]
    return means


def ensemble_metrics(
    found: PredictionArrays, classes: Sequence[str], seed: int
) -> dict[str, Any] | None:
    """Score the mean probabilities over the repeats, and subtract the scores of single networks.

    A scan is predicted by one network of each repeat; none has learnt from its participant.

    Parameters
    ----------
    found
        Each repeat predicts the same scans.
    classes
        Names, in the order of the probabilities.
    seed
        Of the resampling.

    Returns
    -------
    dict
        The number of ``networks`` of a scan, the ``pooled`` metrics of their mean, and these
        ``minus_single``, the metrics of one network. None with one repeat.
    """
    networks = np.unique(found.repeats).size
    if networks == 1:
        return None
    # Each repeat then has the same predictions, and the mean of its scores is that of one.
    together = mean_over_repeats(found)
    pooled = score_predictions(
        found.labels,
        together,
        classes=classes,
        groups=found.groups,
        repeats=found.repeats,
        seed=seed,
    ).to_json()
    gained = {
        metric: paired_difference(
            found.labels,
            together,
            found.probabilities,
            metric,
            groups=found.groups,
            repeats=found.repeats,
            seed=seed,
        ).to_json()
        for metric in METRICS
    }
    return {
        "networks": networks,
        "pooled": {metric: pooled[metric] for metric in METRICS},
        "minus_single": gained,
    }
