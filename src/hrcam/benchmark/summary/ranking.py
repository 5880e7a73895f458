"""Scores of all variants with intervals, in relation to the default map, and the best rivals."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hrcam.benchmark.measures.faithfulness import BLURRED
from hrcam.benchmark.summary.results import BETWEEN_SEEDS, CohortResults
from hrcam.benchmark.variant import (
    EVIDENCE,
    PAPER,
    PATTERN,
    Stage,
    Variant,
    best_settings,
)
from hrcam.evaluation.bootstrap import sample_weights, subject_indices
from hrcam.evaluation.estimate import Estimate, estimate_of
from hrcam.evaluation.model_free_maps import MODEL_FREE_MAPS

DEFAULT = Variant(PATTERN)
UPPER_BOUND = Variant("U-Net (trained on masks)")
RESAMPLES = 1000

SUMMARY_COLUMNS = (
    *("cohort", "method", "level", "fusion", "stage", "measure", "mean", "low", "high"),
    *("ratio_of_default", "ratio_low", "ratio_high"),
    *("subjects", "seeds", "seed_low", "seed_high", "source"),
)
"""Columns of ``summary.csv``."""

_OURS = (PATTERN, PAPER, EVIDENCE)


@dataclass(frozen=True)
class Score:
    """One measure of one variant on one cohort.

    Attributes
    ----------
    variant
        The variant.
    estimate
        Mean over subjects, after the mean over seeds, with its interval.
    ratio
        Ratio of the default HR-CAM map to this one at the same stage, paired on common subjects;
        None if a measure can be negative or the default was not measured.
    subjects
        Number of groups for the bootstrap.
    by_seed
        Mean over subjects for each seed; empty for comparisons between seeds.
    """

    variant: Variant
    estimate: Estimate
    ratio: Estimate | None
    subjects: int
    by_seed: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Value of the estimate."""
        return value_of(self.estimate)


Scores = Mapping[str, Mapping[Variant, Score]]
"""Scores by measure and variant."""


def is_hrcam(variant: Variant) -> bool:
    """Return whether it is a map of HR-CAM."""
    return variant.method.startswith(_OURS) and not is_control(variant)


def is_control(variant: Variant) -> bool:
    """Return whether it is the blurred copy of a map."""
    return variant.method.endswith(BLURRED)


def blurred(variant: Variant) -> Variant:
    """Return the variant of a map's blurred copy."""
    return replace(variant, method=variant.method + BLURRED)


def is_model_free(variant: Variant) -> bool:
    """Return whether it is a model-free map."""
    return variant.method in MODEL_FREE_MAPS


def is_rival(variant: Variant) -> bool:
    """Return whether it is another explanation method for the same model."""
    return not (
        is_hrcam(variant)
        or is_control(variant)
        or is_model_free(variant)
        or variant.method == UPPER_BOUND.method
    )


def score_variants(cohort: CohortResults, seed: int = 0) -> Scores:
    """Score every variant by every measure, with 95 % bootstrap intervals over subjects.

    Variants on the same subjects share the same resamples.

    Parameters
    ----------
    cohort
        Results with one seed or several.
    seed
        Random seed of the bootstrap.
    """
    return {
        measure: _score_measure(cohort, table, seed) for measure, table in cohort.scores.items()
    }


def resampled_means(
    values: NDArray[np.float64], groups: NDArray[np.object_], seed: int
) -> NDArray[np.float64]:
    """Average columns over rows, for the sample and every resample of the groups.

    Parameters
    ----------
    values
        Finite, shape (N, V), N ≥ 1.
    groups
        Group of each row, shape (N,).
    seed
        Random seed; the same groups and seed give the same resamples.

    Returns
    -------
    numpy.ndarray
        Shape (1 + resamples, V), the first row without resampling; only that row if there is one
        group.
    """
    index = subject_indices(groups, len(values))
    number = int(index.max()) + 1
    sums = np.zeros((number, values.shape[1]))
    np.add.at(sums, index, values)
    weights = sample_weights(index, RESAMPLES, seed)
    return (weights @ sums) / (weights @ np.bincount(index))[:, None]


def value_of(estimate: Estimate) -> float:
    """Return the value of an estimate, which a mean of finite numbers has."""
    assert estimate.value is not None
    return estimate.value


def best_rival(
    scores: Mapping[Variant, Score], stage: Stage, *, fused: bool | None = None
) -> Score | None:
    """Return the rival with the lowest ratio of the default map to it, both at one stage.

    Over all methods at single levels, or with levels fused if ``fused``; over both if None. The
    selection uses the masks, an advantage for the rival. Rivals are compared by paired ratios,
    because costly methods may be measured on fewer subjects.
    """
    rivals = [
        score
        for variant, score in scores.items()
        if is_rival(variant)
        and variant.stage == stage
        and fused in (None, bool(variant.fusion))
        and score.ratio is not None
    ]
    return min(rivals, key=_ratio, default=None)


def shown_settings(scores: Mapping[Variant, Score]) -> list[Variant]:
    """Return each method's best level and best fusion at either stage, as read.

    They are in descending order of their mean at the better stage.
    """
    return best_settings({variant: score.mean for variant, score in scores.items()})


def summary_table(cohort: CohortResults, scores: Scores) -> pd.DataFrame:
    """Return one row for each variant and measure, in the columns of ``summary.csv``."""
    rows = []
    for measure, by_variant in scores.items():
        for variant, score in by_variant.items():
            estimate, ratio = score.estimate, score.ratio or Estimate(None)
            rows.append(
                (
                    *(cohort.name, variant.method, variant.level, variant.fusion),
                    *(variant.stage, measure),
                    *(estimate.value, estimate.low, estimate.high),
                    *(ratio.value, ratio.low, ratio.high),
                    *(score.subjects, len(score.by_seed or cohort.seeds)),
                    *(min(score.by_seed, default=None), max(score.by_seed, default=None)),
                    "simulated" if cohort.simulated else "real",
                )
            )
    return pd.DataFrame(rows, columns=list(SUMMARY_COLUMNS))


def _score_measure(cohort: CohortResults, table: pd.DataFrame, seed: int) -> dict[Variant, Score]:
    subjects = table.groupby(level="subject", sort=False).mean()
    groups = cohort.groups_of(subjects.index).to_numpy(dtype=object)
    values = subjects.to_numpy(np.float64)
    single = table[table.index.get_level_values("seed") != BETWEEN_SEEDS]
    seeds = single.groupby(level="seed").mean()

    estimates: dict[int, tuple[Estimate, int]] = {}
    for rows, columns in _measured_alike(values):
        means = resampled_means(values[np.ix_(rows, columns)], groups[rows], seed)
        number = np.unique(groups[rows]).size
        for column, resampled in zip(columns, means.T, strict=True):
            estimates[column] = estimate_of(resampled), number

    ratios: dict[int, Estimate] = {}
    for stage in Stage:
        if DEFAULT.at(stage) not in subjects:
            continue
        default = values[:, subjects.columns.get_loc(DEFAULT.at(stage))]
        alike = np.array([variant.stage == stage for variant in subjects.columns])
        both = np.where(np.isnan(default)[:, None] | ~alike, np.nan, values)
        for rows, columns in _measured_alike(both):
            pairs = np.column_stack([default[rows], values[np.ix_(rows, columns)]])
            means = resampled_means(pairs, groups[rows], seed)
            for at, column in enumerate(columns, start=1):
                if (pairs[:, (0, at)] >= 0).all() and (means[:, at] > 0).all():
                    ratios[column] = estimate_of(means[:, 0] / means[:, at])

    return {
        variant: Score(
            variant,
            estimate=estimates[column][0],
            ratio=ratios.get(column),
            subjects=estimates[column][1],
            by_seed=tuple(seeds[variant].dropna().tolist()),
        )
        for column, variant in enumerate(subjects.columns)
        if column in estimates
    }


def _measured_alike(
    values: NDArray[np.float64],
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Yield sets of columns that are measured in the same rows, with these rows."""
    measured = ~np.isnan(values)
    patterns, of_column = np.unique(measured, axis=1, return_inverse=True)
    for index, pattern in enumerate(patterns.T):
        if pattern.any():
            yield np.flatnonzero(pattern), np.flatnonzero(of_column.reshape(-1) == index)


def _ratio(score: Score) -> float:
    assert score.ratio is not None
    return value_of(score.ratio)
