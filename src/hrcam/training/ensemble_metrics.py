"""How well the networks of all repeats predict together."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hrcam.evaluation.prediction import score_predictions
from hrcam.evaluation.prediction_arrays import PredictionArrays, paired_differences
from hrcam.evaluation.prediction_metrics import METRICS


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
    together = mean_over_repeats(found)
    once = found.repeats == found.repeats[0]  # the means are the same in each repeat
    pooled = score_predictions(
        found.labels[once], together[once], classes=classes, groups=found.groups[once], seed=seed
    ).to_json()
    return {
        "networks": networks,
        "pooled": {metric: pooled[metric] for metric in METRICS},
        "minus_single": paired_differences(found, together, found.probabilities, METRICS, seed),
    }
