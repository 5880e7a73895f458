"""Classification metrics for the sample and all resamples at once."""

from collections.abc import Sequence
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hrcam.evaluation.calibration import equal_mass_bins

ClassMetric = Literal["auc", "sensitivity", "specificity", "calibration_error"]
Metric = Literal["accuracy", "balanced_accuracy", "brier_score", ClassMetric]

CLASS_METRICS: tuple[ClassMetric, ...] = ("auc", "sensitivity", "specificity", "calibration_error")
METRICS: tuple[Metric, ...] = ("accuracy", "balanced_accuracy", *CLASS_METRICS, "brier_score")

_MOST_WEIGHTS = 4_000_000
"""Largest number of weights in memory: 32 MB."""


class ResampledMetrics:
    """Metrics of predictions under many weightings of the subjects.

    Parameters
    ----------
    labels
        Index of each image's class, shape (N,).
    probabilities
        Probability of each class, shape (N, K); the first maximum is the prediction.
    subjects
        Index of each image's subject, shape (N,).
    weights
        Weight of each subject, shape (D, number of subjects). The first row is the sample, all
        ones.
    """

    def __init__(
        self,
        labels: NDArray[np.intp],
        probabilities: NDArray[np.float64],
        subjects: NDArray[np.intp],
        weights: NDArray[np.float64],
    ) -> None:
        self._labels, self._probabilities = labels, probabilities
        self._subjects, self._weights = subjects, weights
        self.classes = probabilities.shape[1]

    @cached_property
    def confusion(self) -> NDArray[np.float64]:
        """Weight of the images of each true class (rows) and prediction, shape (D, K, K)."""
        cell = self._labels * self.classes + self._probabilities.argmax(1)
        return self._sums(cell, self.classes**2).reshape(-1, self.classes, self.classes)

    def overall(self, metric: Metric) -> NDArray[np.float64]:
        """Compute one value per weighting, NaN if undefined, shape (D,)."""
        if metric == "accuracy":
            return _ratio(np.trace(self.confusion, axis1=1, axis2=2), self._images)
        if metric == "balanced_accuracy":
            return _mean(self.by_class("sensitivity"))
        if metric == "brier_score":
            return self._brier_score()
        by_class = self.by_class(metric)
        return by_class[:, -1] if self.classes == 2 else _mean(by_class)

    def by_class(self, metric: ClassMetric) -> NDArray[np.float64]:
        """Compute values of each class against all others, NaN if undefined, shape (D, K)."""
        if metric in ("sensitivity", "specificity"):
            of_class = self.confusion.sum(2)
            hits = np.diagonal(self.confusion, axis1=1, axis2=2)
            if metric == "sensitivity":
                return _ratio(hits, of_class)
            of_others = self._images[:, None] - of_class
            false_alarms = self.confusion.sum(1) - hits
            return _ratio(of_others - false_alarms, of_others)
        one = self._auc if metric == "auc" else self._calibration_error
        return np.stack([one(index) for index in range(self.classes)], axis=1)

    def _auc(self, positive: int) -> NDArray[np.float64]:
        """Area under the ROC curve as the Mann-Whitney statistic, ties counted half."""
        scores = self._probabilities[:, positive]
        order = np.argsort(scores, kind="stable")
        subjects, hits = self._subjects[order], (self._labels == positive)[order]
        # First image of each run of equal scores.
        starts = np.flatnonzero(np.diff(scores[order], prepend=-np.inf) > 0)
        areas = []
        rows = max(1, _MOST_WEIGHTS // scores.size)
        for first in range(0, len(self._weights), rows):
            weights = self._weights[first : first + rows, subjects]
            positives = np.add.reduceat(weights * hits, starts, axis=1)
            negatives = np.add.reduceat(weights, starts, axis=1) - positives
            below = np.cumsum(negatives, axis=1) - negatives / 2
            pairs = positives.sum(1) * negatives.sum(1)
            areas.append(_ratio((positives * below).sum(1), pairs))
        return np.concatenate(areas)

    def _calibration_error(self, positive: int) -> NDArray[np.float64]:
        """Mean over images of |mean predicted - observed| in their bin, bias of resampling removed.

        Noise in the bins biases the error upwards, and resampling adds this bias again; without the
        correction, the interval may not include the value.
        """
        scores = self._probabilities[:, positive]
        bins = equal_mass_bins(scores)
        excess = scores - (self._labels == positive)
        gaps = self._sums(bins, int(bins.max()) + 1, excess)
        errors = _ratio(np.abs(gaps).sum(1), self._images)
        if len(errors) > 1:
            errors[1:] = np.maximum(errors[1:] - (errors[1:].mean() - errors[0]), 0)
        return errors

    def _brier_score(self) -> NDArray[np.float64]:
        truth = np.eye(self.classes)[self._labels]
        squares = ((self._probabilities - truth) ** 2).sum(1)
        # With two classes, by convention only the positive one.
        squares /= 2 if self.classes == 2 else 1
        return _ratio(self._sums(np.zeros_like(self._subjects), 1, squares)[:, 0], self._images)

    @cached_property
    def _images(self) -> NDArray[np.float64]:
        """Weight of all images, shape (D,)."""
        return self._sums(np.zeros_like(self._subjects), 1)[:, 0]

    def _sums(
        self, cells: NDArray[np.intp], number: int, values: NDArray[np.float64] | None = None
    ) -> NDArray[np.float64]:
        """Sum values (None: ones) over the images of each cell, shape (D, number)."""
        subjects = self._weights.shape[1]
        place = self._subjects * number + cells
        sums = np.bincount(place, values, minlength=subjects * number)
        weighted: NDArray[np.float64] = self._weights @ sums.reshape(subjects, number)
        return weighted


class RepeatedMetrics:
    """Metrics of predictions that were repeated on the same images, by several cross-validations.

    Each repeat is scored alone under the same weightings, and metrics are the means of the
    repeats: predictions of one subject are not those of several.

    Parameters
    ----------
    labels, probabilities, subjects, weights
        As for `ResampledMetrics`.
    repeats
        Repeat of each prediction, shape (N,).
    """

    def __init__(
        self,
        labels: NDArray[np.intp],
        probabilities: NDArray[np.float64],
        subjects: NDArray[np.intp],
        weights: NDArray[np.float64],
        repeats: NDArray[np.intp],
    ) -> None:
        parts = [repeats == repeat for repeat in np.unique(repeats)]
        self._parts = [
            ResampledMetrics(labels[part], probabilities[part], subjects[part], weights)
            for part in parts
        ]

    @property
    def repeats(self) -> int:
        """Their number."""
        return len(self._parts)

    @property
    def confusion(self) -> NDArray[np.float64]:
        """Sum of `ResampledMetrics.confusion` over the repeats, shape (D, K, K)."""
        total: NDArray[np.float64] = np.sum([part.confusion for part in self._parts], axis=0)
        return total

    def overall(self, metric: Metric) -> NDArray[np.float64]:
        """Compute the mean of `ResampledMetrics.overall` over the repeats, shape (D,)."""
        return _over_repeats([part.overall(metric) for part in self._parts])

    def by_class(self, metric: ClassMetric) -> NDArray[np.float64]:
        """Compute the mean of `ResampledMetrics.by_class` over the repeats, shape (D, K)."""
        return _over_repeats([part.by_class(metric) for part in self._parts])


def _over_repeats(values: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    mean: NDArray[np.float64] = np.mean(values, axis=0)
    return mean


def _ratio(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    ratio = np.full(above.shape, np.nan)
    np.divide(above, below, out=ratio, where=below > 0)
    return ratio


def _mean(by_class: NDArray[np.float64]) -> NDArray[np.float64]:
    # NaN is kept: a mean over fewer classes is another quantity.
    mean: NDArray[np.float64] = by_class.mean(1)
    return mean
