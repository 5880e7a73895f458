"""Scores of several labels at once, each on the images of which it is known, and their means."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hrcam.errors import InputError
from hrcam.evaluation.bootstrap import sample_weights, subject_indices
from hrcam.evaluation.estimate import Estimate, estimate_of
from hrcam.evaluation.prediction import repeat_indices, with_wilson_interval
from hrcam.evaluation.prediction_metrics import METRICS, Metric, RepeatedMetrics


@dataclass(frozen=True)
class LabelScores:
    """Scores of one predictor on one set of images.

    Attributes
    ----------
    by_label
        For each label its metrics on the images of which it is known, as
        `hrcam.evaluation.prediction.PredictionScores` has them of two classes: sensitivity is of
        images with the label, and a probability of more than 0.5 tells that it is there.
    mean
        The mean of each metric over the labels; undefined where one of them is.
    with_label, without_label
        Number of images that have each label, and that are known to lack it.
    images, subjects, resamples, repeats
        Their numbers; ``resamples`` is 0 for a single subject.
    """

    by_label: Mapping[str, Mapping[Metric, Estimate]]
    mean: Mapping[Metric, Estimate]
    with_label: Mapping[str, int]
    without_label: Mapping[str, int]
    images: int
    subjects: int
    resamples: int
    repeats: int

    def to_json(self) -> dict[str, Any]:
        """Return each mean as ``{"value", "low", "high"}``, the same ``per_label``, and numbers."""
        return {
            **{metric: one.to_json() for metric, one in self.mean.items()},
            "per_label": {
                name: {
                    **{metric: one.to_json() for metric, one in metrics.items()},
                    "with_label": self.with_label[name],
                    "without_label": self.without_label[name],
                }
                for name, metrics in self.by_label.items()
            },
            "images": self.images,
            "subjects": self.subjects,
            "resamples": self.resamples,
            "repeats": self.repeats,
        }


def score_labels(
    answers: ArrayLike,
    probabilities: ArrayLike,
    labels: Sequence[str],
    *,
    groups: ArrayLike | None = None,
    repeats: ArrayLike | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> LabelScores:
    """Score predictions of several labels, with 95 % bootstrap intervals over subjects.

    All labels are scored in the same resamples.

    Parameters
    ----------
    answers
        Whether each image has each label: 1, 0, or NaN where it is not known, shape (N, K).
    probabilities
        Of each label, shape (N, K).
    labels
        Names of the K labels.
    groups
        The subject of each image, shape (N,), who is resampled with all images. None if every
        image is of another subject. With a single subject there are no intervals.
    repeats
        The cross-validation that each prediction is of, shape (N,), as for
        `hrcam.evaluation.prediction.score_predictions`.
    resamples
        Number of resamples.
    seed
        Random seed.

    Raises
    ------
    InputError
        If shapes do not match, there is no image, an answer is none of 0, 1 and NaN, or a
        probability does not lie between 0 and 1.
    """
    true, predicted, subjects, repeat = _checked(answers, probabilities, labels, groups, repeats)
    found = _resampled(true, predicted, subjects, repeat, resamples, seed)  # (K, D) by metric
    number = int(repeat.max()) + 1
    first = true[repeat == 0]
    return LabelScores(
        by_label={
            name: _with_wilson_intervals(
                {metric: estimate_of(values[place]) for metric, values in found.items()},
                true[:, place],
                subjects,
            )
            for place, name in enumerate(labels)
        },
        mean={metric: estimate_of(values.mean(0)) for metric, values in found.items()},
        with_label=dict(zip(labels, (first == 1).sum(0).tolist(), strict=True)),
        without_label=dict(zip(labels, (first == 0).sum(0).tolist(), strict=True)),
        images=len(first),
        subjects=int(subjects.max()) + 1,
        resamples=found["auc"].shape[1] - 1,
        repeats=number,
    )


def label_differences(
    answers: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    labels: Sequence[str],
    *,
    groups: ArrayLike | None = None,
    repeats: ArrayLike | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> dict[Metric, Estimate]:
    """Subtract the second predictor's mean scores from the first's, in the same resamples.

    Parameters and errors are as for `score_labels`.
    """
    scores = []
    for probabilities in (first, second):
        checked = _checked(answers, probabilities, labels, groups, repeats)
        found = _resampled(*checked, resamples, seed)
        scores.append({metric: values.mean(0) for metric, values in found.items()})
    return {metric: estimate_of(scores[0][metric] - scores[1][metric]) for metric in METRICS}


def _with_wilson_intervals(
    estimates: Mapping[Metric, Estimate], true: NDArray[np.float64], subjects: NDArray[np.intp]
) -> dict[Metric, Estimate]:
    """Add Wilson's interval to rates of 0 or 1, with one trial for each subject they are of."""
    counted: dict[Metric, NDArray[np.bool_]] = {
        "accuracy": ~np.isnan(true),
        "sensitivity": true == 1,
        "specificity": true == 0,
    }
    rates = {
        metric: with_wilson_interval(estimates[metric], np.unique(subjects[images]).size)
        for metric, images in counted.items()
    }
    return {**estimates, **rates}


def _checked(
    answers: ArrayLike,
    probabilities: ArrayLike,
    labels: Sequence[str],
    groups: ArrayLike | None,
    repeats: ArrayLike | None,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.intp], NDArray[np.intp]]:
    true, predicted = (np.asarray(each, np.float64) for each in (answers, probabilities))
    if true.ndim != 2 or not true.size or true.shape != predicted.shape:
        raise InputError(
            f"Answers have the shape {true.shape}, and probabilities {predicted.shape}: give one "
            "for each image and label."
        )
    if true.shape[1] != len(labels):
        raise InputError(f"There are {true.shape[1]} columns and {len(labels)} names of labels.")
    if not np.isin(true[~np.isnan(true)], (0, 1)).all():
        raise InputError("An answer is none of 0, 1, and NaN where it is not known.")
    if not ((predicted >= 0) & (predicted <= 1)).all():
        raise InputError("A probability does not lie between 0 and 1.")
    return (
        true,
        predicted,
        subject_indices(groups, len(true)),
        repeat_indices(repeats, len(true)),
    )


def _resampled(
    true: NDArray[np.float64],
    predicted: NDArray[np.float64],
    subjects: NDArray[np.intp],
    repeat: NDArray[np.intp],
    resamples: int,
    seed: int,
) -> dict[Metric, NDArray[np.float64]]:
    """Return each metric of each label in the sample, then in the resamples, (K, 1 + resamples)."""
    weights = sample_weights(subjects, resamples, seed)
    found: dict[Metric, list[NDArray[np.float64]]] = {metric: [] for metric in METRICS}
    for label in range(true.shape[1]):
        known = ~np.isnan(true[:, label])
        if not known.any():
            for values in found.values():
                values.append(np.full(len(weights), np.nan))
            continue
        having = predicted[known, label]
        metrics = RepeatedMetrics(
            true[known, label].astype(np.intp),
            np.stack([1 - having, having], axis=1),
            subjects[known],
            weights,
            repeat[known],
        )
        for metric, values in found.items():
            values.append(metrics.overall(metric))
    return {metric: np.stack(values) for metric, values in found.items()}
