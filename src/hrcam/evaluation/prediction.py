"""Classification metrics with bootstrap intervals over subjects."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hrcam.errors import InputError
from hrcam.evaluation.bootstrap import sample_weights, subject_indices
from hrcam.evaluation.estimate import Estimate, estimate_of, wilson_interval
from hrcam.evaluation.prediction_checks import checked_predictions
from hrcam.evaluation.prediction_metrics import (
    CLASS_METRICS,
    METRICS,
    ClassMetric,
    Metric,
    RepeatedMetrics,
)


@dataclass(frozen=True)
class PredictionScores:
    """Metrics of one predictor on one set of images.

    With two classes, ``auc``, ``sensitivity``, ``specificity`` and ``calibration_error`` are those
    of the last class, the positive one; with more they are means over the classes, each against
    all others. A mean is undefined if one class has no value. If predictions were repeated, by
    several cross-validations, each metric is the mean of the repeats.

    Attributes
    ----------
    metrics
        ``accuracy``; ``balanced_accuracy``, the mean of the classes' sensitivities; ``auc``, area
        under the ROC curve; ``sensitivity`` and ``specificity`` of the most probable class;
        ``calibration_error``, the expected calibration error of each class in ten bins of equal
        numbers of images (classwise, Kull et al., NeurIPS 2019): it is above 0 even
        for a perfectly calibrated predictor, more so with fewer images, so compare it only on the
        same images; ``brier_score``, the mean squared error of the probabilities, from 0 to
        1 with two classes, and summed over more of them, from 0 to 2.
    by_class
        For each class its ``auc``, ``sensitivity``, ``specificity`` and ``calibration_error``.
    confusion
        Number of images of each true class (rows) and most probable class, shape (K, K), summed
        over the repeats.
    images, subjects, resamples, repeats
        Their numbers; ``resamples`` is 0 for a single subject.
    """

    metrics: Mapping[Metric, Estimate]
    by_class: Mapping[str, Mapping[ClassMetric, Estimate]]
    confusion: NDArray[np.intp]
    images: int
    subjects: int
    resamples: int
    repeats: int

    def to_json(self) -> dict[str, Any]:
        """Return plain numbers; None (null) if undefined or without an interval.

        Returns
        -------
        dict
            Each metric as ``{"value", "low", "high"}``; ``per_class``, the same for each class;
            ``confusion``, rows of true classes in the order of ``per_class``; ``images``,
            ``subjects``, ``resamples`` and ``repeats``; ``undefined``, for each metric the number
            of resamples left out because they lack a class.
        """
        return {
            **{metric: estimate.to_json() for metric, estimate in self.metrics.items()},
            "per_class": {
                name: {metric: estimate.to_json() for metric, estimate in estimates.items()}
                for name, estimates in self.by_class.items()
            },
            "confusion": self.confusion.tolist(),
            "images": self.images,
            "subjects": self.subjects,
            "resamples": self.resamples,
            "repeats": self.repeats,
            "undefined": {metric: each.undefined for metric, each in self.metrics.items()},
        }


def score_predictions(
    labels: ArrayLike,
    probabilities: ArrayLike,
    *,
    classes: Sequence[str] | None = None,
    groups: ArrayLike | None = None,
    repeats: ArrayLike | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> PredictionScores:
    """Score predicted probabilities, with 95 % bootstrap intervals over subjects.

    Subjects are resampled with all their images (Field and Welsh, JRSS B 69:369, 2007). Resamples
    that lack a class have no AUC; they are excluded from its interval and counted. If a rate is 0
    or 1, all resamples agree; it then gets Wilson's interval for the number of subjects, and other
    metrics get none.

    Parameters
    ----------
    labels
        Index of each image's class, shape (N,). Without a class, its metrics are None.
    probabilities
        Probability of each class, rows adding up to 1, shape (N, K); the last of two classes is
        the positive one.
    classes
        Names of the K classes; None for their indices.
    groups
        The subject of each image, shape (N,). None if every image is of another subject. With a
        single subject, only rates of 0 and 1 have intervals.
    repeats
        The cross-validation that each prediction is of, shape (N,): each predicts all images. The
        subjects are then resampled once, each repeat is scored, and the scores are averaged. None
        for one.
    resamples
        Number of resamples.
    seed
        Random seed.

    Returns
    -------
    PredictionScores

    Raises
    ------
    InputError
        If labels, probabilities, groups, repeats or names do not match, there is no image, a number
        is NaN, or probabilities do not add up to 1.
    """
    true, predicted = checked_predictions(labels, probabilities)
    number = predicted.shape[1]
    names = [str(i) for i in range(number)] if classes is None else list(classes)
    if len(set(names)) != len(names) or len(names) != number:
        raise InputError(f"classes names {names}: use {number} different names.")
    subjects = subject_indices(groups, true.size)
    weights = sample_weights(subjects, resamples, seed)
    metrics = RepeatedMetrics(
        true, predicted, subjects, weights, repeat_indices(repeats, true.size)
    )

    def subjects_with(images: NDArray[np.bool_]) -> int:
        return np.unique(subjects[images]).size

    by_class: dict[str, dict[ClassMetric, Estimate]] = {name: {} for name in names}
    for metric in CLASS_METRICS:
        resampled = metrics.by_class(metric)
        for index, name in enumerate(names):
            estimate = estimate_of(resampled[:, index])
            if metric in ("sensitivity", "specificity"):
                counted = (true == index) == (metric == "sensitivity")
                estimate = with_wilson_interval(estimate, subjects_with(counted))
            by_class[name][metric] = estimate
    overall: dict[Metric, Estimate] = {}
    for each in METRICS:
        if number == 2 and each in CLASS_METRICS:
            overall[each] = by_class[names[-1]][each]
            continue
        overall[each] = estimate_of(metrics.overall(each))
    overall["accuracy"] = with_wilson_interval(overall["accuracy"], subjects_with(true >= 0))
    return PredictionScores(
        metrics=overall,
        by_class=by_class,
        confusion=metrics.confusion[0].astype(np.intp),
        images=true.size // metrics.repeats,
        subjects=weights.shape[1],
        resamples=len(weights) - 1,
        repeats=metrics.repeats,
    )


def paired_difference(
    labels: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    metric: Metric,
    *,
    groups: ArrayLike | None = None,
    repeats: ArrayLike | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> Estimate:
    """Subtract the second predictor's metric from the first's, on the same images.

    Both are scored in the same resamples of subjects, so that subject effects cancel.

    Parameters
    ----------
    labels
        Index of each image's class, shape (N,).
    first, second
        Probabilities of each class, shape (N, K).
    metric
        As `PredictionScores` names it. With a positive difference the first is better, but
        worse for ``calibration_error`` and ``brier_score``.
    groups, repeats, resamples, seed
        As for `score_predictions`.

    Returns
    -------
    Estimate
        Difference; without an interval if it is the same in every resample.

    Raises
    ------
    InputError
        As for `score_predictions`; also if the two differ in shape, or there is no such metric.
    """
    if metric not in METRICS:
        raise InputError(f"metric is {metric!r}: use one of {', '.join(METRICS)}.")
    true, a = checked_predictions(labels, first)
    _, b = checked_predictions(labels, second)
    if a.shape != b.shape:
        raise InputError(f"Paired probabilities differ in shape: {a.shape} and {b.shape}.")
    subjects = subject_indices(groups, true.size)
    weights = sample_weights(subjects, resamples, seed)
    repeat = repeat_indices(repeats, true.size)
    ours, theirs = (
        RepeatedMetrics(true, each, subjects, weights, repeat).overall(metric) for each in (a, b)
    )
    return estimate_of(ours - theirs)


def resampled_auc(
    labels: ArrayLike,
    probabilities: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    repeats: ArrayLike | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Compute the AUC of each class against all others in the sample and in resamples of subjects.

    With one seed and the same groups, the resamples of several predictors are paired.

    Parameters
    ----------
    labels, probabilities, groups, repeats, resamples, seed
        As for `score_predictions`.

    Returns
    -------
    numpy.ndarray
        Shape (1 + resamples, K), the sample first; NaN where a class is missing.

    Raises
    ------
    InputError
        As for `score_predictions`.
    """
    true, predicted = checked_predictions(labels, probabilities)
    subjects = subject_indices(groups, true.size)
    weights = sample_weights(subjects, resamples, seed)
    repeat = repeat_indices(repeats, true.size)
    return RepeatedMetrics(true, predicted, subjects, weights, repeat).by_class("auc")


def repeat_indices(repeats: ArrayLike | None, predictions: int) -> NDArray[np.intp]:
    """Return the repeat of each prediction, shape (N,), and see that all are of one size."""
    if repeats is None:
        return np.zeros(predictions, np.intp)
    values = np.asarray(repeats)
    if values.shape != (predictions,):
        raise InputError(f"Repeats have shape {values.shape}, the predictions ({predictions},).")
    _, index, counts = np.unique(values, return_inverse=True, return_counts=True)
    if len(set(counts.tolist())) > 1:
        raise InputError(
            f"Repeats have {counts.min()} to {counts.max()} predictions: each is of all images."
        )
    return index


def with_wilson_interval(estimate: Estimate, subjects: int) -> Estimate:
    """Add Wilson's interval to a rate of 0 or 1, with one trial per subject."""
    if estimate.value not in (0, 1):
        return estimate
    low, high = wilson_interval(int(estimate.value) * subjects, subjects)
    return Estimate(estimate.value, low, high, estimate.undefined)
