"""Compare the results with the goals of HR-CAM."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from hrcam.benchmark.summary.cohort import CohortSummary
from hrcam.benchmark.summary.predictors import DEFAULT_HEAD
from hrcam.benchmark.summary.ranking import UPPER_BOUND, Score
from hrcam.evaluation.estimate import Estimate

Outcome = Literal["reached", "missed", "not measured"]

RATIO, UPPER_BOUND_SHARE = 1.25, 0.8
SSIM, REPEATABILITY, IN_NIGRA = 0.3, 0.7, 0.9
_LOCALISATION = {"lesions": (0.80, 0.97), "busi": (0.60, 0.80)}
"""Goals for AUPRC and pointing game, by kind of cohort."""


@dataclass(frozen=True)
class Goal:
    """One goal on one cohort.

    Attributes
    ----------
    aim
        The goal.
    cohort
        Title of the cohort; empty if no cohort can show it.
    measured
        The measured value with its interval; empty if there is none.
    outcome
        Whether the goal was reached.
    missed
        By how much or why the goal was missed; else empty.
    """

    aim: str
    cohort: str
    measured: str
    outcome: Outcome
    missed: str = ""

    @property
    def verdict(self) -> str:
        """The outcome, with the amount by which it was missed."""
        return f"{self.outcome}: {self.missed}" if self.missed else self.outcome


def goals(summaries: Sequence[CohortSummary]) -> tuple[Goal, ...]:
    """Compare every goal with the results of each cohort.

    A goal that no cohort can show is listed as not measured.
    """
    masked = [one for one in summaries if one.score("auprc")]
    found: list[Goal] = []

    def add(
        aim: str,
        cohorts: Sequence[CohortSummary],
        measure: Callable[[str, CohortSummary], Goal | None],
    ) -> None:
        measured = [goal for one in cohorts if (goal := measure(aim, one))]
        found.extend(measured or [Goal(aim, "", "", "not measured")])

    add(
        f"AUPRC ≥ {RATIO} × the best rival at its best level, interval above 1",
        masked,
        _ahead_of_rival,
    )
    for kind, targets in _LOCALISATION.items():
        cohorts = [one for one in masked if _is_kind(one, kind)]
        name = "Ultrasound (busi)" if kind == "busi" else "Simulated lesions"
        for measure, title, target in zip(
            ("auprc", "pointing"), ("AUPRC", "pointing game"), targets, strict=True
        ):
            add(f"{name}: {title} ≥ {target:.2f}", cohorts, _at_least(measure, target))
    add(f"AUPRC ≥ {UPPER_BOUND_SHARE} × that of the U-Net", masked, _share_of_upper_bound)
    add("Prediction not below that of the CNN without HR-CAM", summaries, _prediction)
    add(f"All weights random: SSIM with the map < {SSIM}", summaries, _randomised)
    add(
        f"Repeatability over seeds ≥ {REPEATABILITY} (Spearman)",
        summaries,
        _at_least("repeatability", REPEATABILITY),
    )
    add(
        f"Neuromelanin, n = 80: maximum in the nigra in ≥ {IN_NIGRA:.0%} of the correctly "
        "classified patients",
        [one for one in summaries if one.cohort.name == "neuromelanin"],
        _at_least("maximum_in_nigra", IN_NIGRA),
    )
    return tuple(found)


def number(estimate: Estimate) -> str:
    """Format an estimate with three decimals, to show narrow misses.

    Lines do not break within the interval.
    """
    if estimate.value is None:
        return "n/a"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:z.3f}"
    return f"{estimate.value:z.3f} ({estimate.low:z.3f}\u00a0to\u00a0{estimate.high:z.3f})"


def _is_kind(one: CohortSummary, kind: str) -> bool:
    if kind == "busi":
        return one.cohort.name == kind and not one.cohort.simulated
    return one.cohort.name.startswith(kind) and one.cohort.simulated


def _goal(aim: str, one: CohortSummary, measured: str, misses: Iterator[str]) -> Goal:
    missed = ", ".join(misses)
    return Goal(aim, one.title, measured, "missed" if missed else "reached", missed)


def _at_least(measure: str, target: float) -> Callable[[str, CohortSummary], Goal | None]:
    def compare(aim: str, one: CohortSummary) -> Goal | None:
        score = one.score(measure)
        if score is None:
            return None
        return _goal(aim, one, number(score.estimate), _below(score.mean, target))

    return compare


def _below(value: float | None, target: float) -> Iterator[str]:
    if value is not None and value < target:
        yield f"by {target - value:.3f}"


def _ahead_of_rival(aim: str, one: CohortSummary) -> Goal | None:
    ratio = _ratio_of(one.rival)
    if ratio is None:
        return None

    def misses() -> Iterator[str]:
        yield from _below(ratio.value, RATIO)
        if ratio.low is None:
            yield "too few subjects for an interval"
        elif ratio.low <= 1:
            yield f"the lower end of the interval is {ratio.low:.3f}"

    return _goal(aim, one, number(ratio), misses())


def _share_of_upper_bound(aim: str, one: CohortSummary) -> Goal | None:
    ratio = _ratio_of(one.score("auprc", UPPER_BOUND))
    if ratio is None:
        return None
    return _goal(aim, one, number(ratio), _below(ratio.value, UPPER_BOUND_SHARE))


def _ratio_of(score: Score | None) -> Estimate | None:
    return score.ratio if score else None


def _prediction(aim: str, one: CohortSummary) -> Goal | None:
    for scores in one.predictors:
        if scores.predictor == DEFAULT_HEAD and scores.differences:
            gaps = {"accuracy": scores.differences["accuracy"], "AUC": scores.differences["auc"]}
            measured = "; ".join(f"{name} {number(gap)}" for name, gap in gaps.items())
            misses = (
                f"{name} by {-gap.value:.3f}"
                for name, gap in gaps.items()
                if gap.value is not None and (gap.value if gap.high is None else gap.high) < 0
            )
            return _goal(aim, one, measured, misses)
    return None


def _randomised(aim: str, one: CohortSummary) -> Goal | None:
    score = one.score("randomised_ssim")
    if score is None:
        return None
    misses = (f"by {each - SSIM:.3f}" for each in (score.mean,) if each >= SSIM)
    return _goal(aim, one, number(score.estimate), misses)
