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
from hrcam.benchmark.variant import Variant


@dataclass(frozen=True)
class CohortSummary:
    """Summary of one cohort.

    Attributes
    ----------
    cohort
        Results of the cohort.
    scores
        Scores of every variant, by measure.
    rival, fused_rival
        The best rival at a single level, and with levels fused; None without masks.
    thirds
        AUPRC by size and by contrast of the lesion.
    predictors
        Scores of the predictors.
    """

    cohort: CohortResults
    scores: Scores
    rival: Score | None
    fused_rival: Score | None
    terciles: Mapping[Property, tuple[Tercile, ...]]
    predictors: tuple[PredictorScores, ...]

    @property
    def title(self) -> str:
        """Name of the cohort, marked if simulated."""
        return self.cohort.title

    def score(self, measure: str, variant: Variant = DEFAULT) -> Score | None:
        """Return one score, or None if not measured."""
        return self.scores.get(measure, {}).get(variant)


def summarise_cohort(cohort: CohortResults, seed: int = 0) -> CohortSummary:
    """Summarise the results of one cohort; ``seed`` is that of the bootstrap.

    Raises
    ------
    InputError
        If its predictions cannot be scored.
    """
    scores = score_variants(cohort, seed)
    auprc = scores.get("auprc", {})
    # Terciles need all images of the default; costly rivals were measured on fewer.
    complete = {
        variant: score
        for variant, score in auprc.items()
        if DEFAULT in auprc and score.subjects == auprc[DEFAULT].subjects
    }
    compared = best_rival(complete, fused=False)
    shown = [DEFAULT, *([compared.variant] if compared else []), UPPER_BOUND]
    return CohortSummary(
        cohort=cohort,
        scores=scores,
        rival=best_rival(auprc, fused=False),
        fused_rival=best_rival(auprc, fused=True),
        terciles={by: score_by_tercile(cohort, by, shown, seed) for by in TERCILES},
        predictors=score_predictors(cohort, seed),
    )
