"""Classification performance of the CNN and of HR-CAM's heads."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hrcam.benchmark.summary.ranking import RESAMPLES
from hrcam.benchmark.summary.results import CohortResults
from hrcam.errors import InputError
from hrcam.evaluation.bootstrap import sample_weights, subject_indices
from hrcam.evaluation.estimate import Estimate, estimate_of, wilson_interval
from hrcam.evaluation.prediction_checks import checked_predictions
from hrcam.evaluation.prediction_metrics import Metric, ResampledMetrics

CNN, DEFAULT_HEAD = "CNN", "HR-CAM (logits)"

METRICS: Mapping[Metric, str] = {
    "accuracy": "Accuracy",
    "auc": "AUC",
    "calibration_error": "Calibration error",
}
"""Titles of the metrics."""


@dataclass(frozen=True)
class PredictorScores:
    """Metrics of one predictor, averaged over seeds, with intervals over subjects.

    Attributes
    ----------
    predictor
        Name of the predictor.
    metrics
        Estimates by metric.
    differences
        Paired differences to the CNN; empty for the CNN itself.
    images
        Number of images, counted once over seeds.
    """

    predictor: str
    metrics: Mapping[Metric, Estimate]
    differences: Mapping[Metric, Estimate]
    images: int


def score_predictors(cohort: CohortResults, seed: int = 0) -> tuple[PredictorScores, ...]:
    """Score every predictor of a cohort.

    Each metric is computed per seed, in the same resamples of subjects, and averaged: probabilities
    of different networks are not compared.

    Parameters
    ----------
    cohort
        Results with one seed or several.
    seed
        Random seed of the bootstrap.

    Raises
    ------
    InputError
        If a class or prediction is missing or duplicated, or probabilities do not add up to 1.
    """
    predictions = cohort.predictions
    classes = list(dict.fromkeys(predictions["class"]))
    images = sorted(set(predictions["subject"]))
    groups = cohort.groups_of(images).to_numpy(dtype=object)
    subjects = pd.Series(subject_indices(groups, len(images)), index=images)
    weights = sample_weights(subjects.to_numpy(), RESAMPLES, seed)
    tested = predictions.groupby("seed")["subject"].nunique()
    resampled = {}
    for name, rows in predictions.groupby("predictor", sort=False):
        of_seeds = [
            _metrics(each, classes, subjects, weights, int(tested[number]))
            for number, each in rows.groupby("seed")
        ]
        resampled[str(name)] = {
            metric: np.mean([each[metric] for each in of_seeds], axis=0) for metric in METRICS
        }
    return tuple(
        PredictorScores(
            name,
            {metric: _estimate(metric, values[metric], weights.shape[1]) for metric in METRICS},
            {
                metric: estimate_of(values[metric] - resampled[CNN][metric])
                for metric in METRICS
                if CNN in resampled and name != CNN
            },
            len(images),
        )
        for name, values in resampled.items()
    )


def _metrics(
    rows: pd.DataFrame,
    classes: list[str],
    subjects: pd.Series,
    weights: NDArray[np.float64],
    tested: int,
) -> dict[Metric, NDArray[np.float64]]:
    """Compute the metrics of one predictor with one seed, for the sample and each resample."""
    truth = rows.drop_duplicates("subject").set_index("subject")["label"]
    name = f"{rows['predictor'].iloc[0]} with seed {rows['seed'].iloc[0]}"
    if len(truth) != tested or len(rows) != tested * len(classes):
        raise InputError(
            f"predictions by {name} are not one for each class of each of the {tested} images that "
            "were tested: delete the unit and run the benchmark again"
        )
    if not truth.isin(classes).all():
        raise InputError(f"a label of the predictions by {name} is none of the classes {classes}")
    table = rows.pivot_table(index="subject", columns="class", values="probability")
    labels = truth.reindex(table.index).map(classes.index).to_numpy()
    true, probabilities = checked_predictions(labels, table[classes].to_numpy(np.float64))
    # Different seeds may have tested different images.
    present, of_image = np.unique(subjects[table.index], return_inverse=True)
    computed = ResampledMetrics(true, probabilities, of_image, weights[:, present])
    return {metric: computed.overall(metric) for metric in METRICS}


def _estimate(metric: Metric, values: NDArray[np.float64], subjects: int) -> Estimate:
    estimate = estimate_of(values)
    if metric == "accuracy" and estimate.value in (0, 1):
        # No resample varies, so each subject counts as one trial.
        return Estimate(estimate.value, *wilson_interval(int(estimate.value) * subjects, subjects))
    return estimate
