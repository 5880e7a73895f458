"""The summary of one cohort: scores, best rivals, terciles and predictors."""

from collections.abc import Mapping
from dataclasses import dataclass

from hrcam.benchmark.summary.predictors import PredictorScores, score_predictors
from hrcam.benchmark.summary.ranking import (
    DEFAULT,
    UPPER_BOUND,
    Score,
    Scores,
    best_rival,
    score_variants,
)
from hrcam.benchmark.summary.results import CohortResults
from hrcam.benchmark.summary.terciles import TERCILES, Property, Tercile, score_by_tercile
from hrcam.benchmark.variant import Stage, Variant


@dataclass(frozen=True)
class CohortSummary:
    """Summary of one cohort.

    Attributes
    ----------
    cohort
        Results of the cohort.
    scores
        Scores of every variant, by measure.
    terciles
        AUPRC by size and by contrast of the lesion.
    predictors
        Scores of the predictors.
    """

    cohort: CohortResults
    scores: Scores
    terciles: Mapping[Property, tuple[Tercile, ...]]
    predictors: tuple[PredictorScores, ...]

    @property
    def title(self) -> str:
        """Name of the cohort, marked if simulated."""
        return self.cohort.title

    def score(self, measure: str, variant: Variant = DEFAULT) -> Score | None:
        """Return one score, or None if not measured."""
        return self.scores.get(measure, {}).get(variant)

    def rival(self, stage: Stage, *, fused: bool | None = None) -> Score | None:
        """Return the best rival as `best_rival`; None without masks."""
        return best_rival(self.scores.get("auprc", {}), stage, fused=fused)


def summarise_cohort(cohort: CohortResults, seed: int = 0) -> CohortSummary:
    """Summarise the results of one cohort; ``seed`` is that of the bootstrap.

    Raises
    ------
    InputError
        If its predictions cannot be scored.
    """
    scores = score_variants(cohort, seed)
    auprc = scores.get("auprc", {})
    shown = [variant for stage in Stage for variant in _compared(auprc, stage)]
    return CohortSummary(
        cohort=cohort,
        scores=scores,
        terciles={by: score_by_tercile(cohort, by, shown, seed) for by in TERCILES},
        predictors=score_predictors(cohort, seed),
    )


def _compared(auprc: Mapping[Variant, Score], stage: Stage) -> list[Variant]:
    """Return the default, the best rival at a single level, and the upper bound, at one stage."""
    default = DEFAULT.at(stage)
    # Terciles need all images of the default; costly rivals were measured on fewer.
    complete = {
        variant: score
        for variant, score in auprc.items()
        if default in auprc and score.subjects == auprc[default].subjects
    }
    rival = best_rival(complete, stage, fused=False)
    return [default, *([rival.variant] if rival else []), UPPER_BOUND.at(stage)]
