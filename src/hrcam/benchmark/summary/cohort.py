"""What the results of one cohort come to: scores, who is ahead, thirds, predictors."""

from collections.abc import Mapping
from dataclasses import dataclass

from hrcam.benchmark.contest import Variant
from hrcam.benchmark.summary.predictors import PredictorScores, score_predictors
from hrcam.benchmark.summary.ranking import (
    CEILING,
    DEFAULT,
    Score,
    Scores,
    best_rival,
    score_variants,
)
from hrcam.benchmark.summary.results import CohortResults
from hrcam.benchmark.summary.strata import THIRDS, Property, Stratum, strata


@dataclass(frozen=True)
class CohortSummary:
    """One cohort, summarised.

    Attributes
    ----------
    cohort
        What it summarises.
    scores
        Of every variant, by measure.
    rival, fused_rival
        The best rival at its best level, and with its levels fused; None without masks.
    thirds
        AUPRC by size and by contrast of the lesion.
    predictors
        In the order of the files.
    """

    cohort: CohortResults
    scores: Scores
    rival: Score | None
    fused_rival: Score | None
    thirds: Mapping[Property, tuple[Stratum, ...]]
    predictors: tuple[PredictorScores, ...]

    @property
    def title(self) -> str:
        """Name of the cohort, and whether it is simulated."""
        return self.cohort.title

    def score(self, measure: str, variant: Variant = DEFAULT) -> Score | None:
        """Return one score, or None where it was not measured."""
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
    # Thirds are of the images that the default was measured on: a costly rival has not all.
    complete = {
        variant: score
        for variant, score in auprc.items()
        if DEFAULT in auprc and score.subjects == auprc[DEFAULT].subjects
    }
    compared = best_rival(complete, fused=False)
    shown = [DEFAULT, *([compared.variant] if compared else []), CEILING]
    return CohortSummary(
        cohort=cohort,
        scores=scores,
        rival=best_rival(auprc, fused=False),
        fused_rival=best_rival(auprc, fused=True),
        thirds={by: strata(cohort, by, shown, seed) for by in THIRDS},
        predictors=score_predictors(cohort, seed),
    )
