"""Compare the results with the goals of HR-CAM."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from hrcam.benchmark.summary.cohort import CohortSummary
from hrcam.benchmark.summary.pooled_ratios import PooledRatio, to_best_rivals, to_best_setting
from hrcam.benchmark.summary.predictors import DEFAULT_HEAD
from hrcam.benchmark.summary.ranking import DEFAULT, UPPER_BOUND, Score
from hrcam.benchmark.variant import Stage
from hrcam.evaluation.estimate import Estimate
from hrcam.report.page.text import count

Outcome = Literal["reached", "missed", "not measured"]

RATIO, UPPER_BOUND_SHARE = 1.0, 0.8
"""Smallest ratio of the AUPRC to that of the best rival, and to that of the U-Net."""
BEST_RIVALS = {Stage.AS_READ: 1.15, Stage.REFINED: 1.05}
"""Goals for the geometric mean of the ratio over cohorts, to each cohort's best rival."""
BEST_SETTING = {Stage.AS_READ: 1.3, Stage.REFINED: 1.15}
"""And to the best rival at one setting for all cohorts."""
SSIM, REPEATABILITY, IN_NIGRA = 0.3, 0.7, 0.9


@dataclass(frozen=True)
class _Localisation:
    """Goals for the refined maps of one kind of cohort, by measure."""

    title: str
    cohort: str
    simulated: bool
    targets: Mapping[str, float]

    def is_of(self, one: CohortSummary) -> bool:
        name, simulated = one.cohort.name, one.cohort.simulated
        known = name.startswith(self.cohort) if self.simulated else name == self.cohort
        return known and simulated == self.simulated


_LOCALISATION = (
    _Localisation("Simulated lesions", "lesions", True, {"auprc": 0.81, "pointing": 0.97}),
    _Localisation("Ultrasound (busi)", "busi", False, {"auprc": 0.75, "pointing": 0.85}),
    _Localisation("Brain tumours (cheng_t1ce)", "cheng_t1ce", False, {"auprc": 0.5}),
)
_TITLES = {"auprc": "AUPRC", "pointing": "pointing game"}


@dataclass(frozen=True)
class Goal:
    """One goal on one cohort.

    Attributes
    ----------
    aim
        The goal.
    cohort
        Title of the cohort, or how many there are; empty if no cohort can show it.
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

    for stage in Stage:
        best = "AUPRC / the best rival at its best level or fusion"
        add(f"{best} ≥ {RATIO}, {stage}", masked, _ahead_of_rival(stage))
        found.append(
            _pooled(
                f"Geometric mean of AUPRC / the best rival of each cohort ≥ "
                f"{BEST_RIVALS[stage]}, {stage}",
                to_best_rivals(masked, stage),
                BEST_RIVALS[stage],
            )
        )
        found.append(
            _pooled(
                "Geometric mean of AUPRC / the best rival at one setting for all cohorts ≥ "
                f"{BEST_SETTING[stage]}, {stage}",
                to_best_setting(masked, stage),
                BEST_SETTING[stage],
                named=True,
            )
        )
    for kind in _LOCALISATION:
        cohorts = [one for one in masked if kind.is_of(one)]
        for measure, target in kind.targets.items():
            add(
                f"{kind.title}: {_TITLES[measure]} ≥ {target:.2f}, {Stage.REFINED}",
                cohorts,
                _at_least(measure, target, Stage.REFINED),
            )
    nigra = [one for one in summaries if one.cohort.name == "neuromelanin"]
    for stage in Stage:
        add(
            f"AUPRC ≥ {UPPER_BOUND_SHARE} × that of the U-Net, {stage}",
            masked,
            _share_of_upper_bound(stage),
        )
        add(
            f"Repeatability over seeds ≥ {REPEATABILITY} (Spearman), {stage}",
            summaries,
            _at_least("repeatability", REPEATABILITY, stage),
        )
        add(
            f"Neuromelanin, n = 80: maximum in the nigra in ≥ {IN_NIGRA:.0%} of the correctly "
            f"classified patients, {stage}",
            nigra,
            _at_least("maximum_in_nigra", IN_NIGRA, stage),
        )
    add("Prediction not below that of the CNN without HR-CAM", summaries, _prediction)
    add(f"All weights random: SSIM with the map < {SSIM}, {Stage.AS_READ}", summaries, _randomised)
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


def _goal(aim: str, cohort: str, measured: str, misses: Iterator[str]) -> Goal:
    missed = ", ".join(misses)
    return Goal(aim, cohort, measured, "missed" if missed else "reached", missed)


def _at_least(
    measure: str, target: float, stage: Stage
) -> Callable[[str, CohortSummary], Goal | None]:
    def compare(aim: str, one: CohortSummary) -> Goal | None:
        score = one.score(measure, DEFAULT.at(stage))
        if score is None:
            return None
        return _goal(aim, one.title, number(score.estimate), _below(score.mean, target))

    return compare


def _below(value: float | None, target: float) -> Iterator[str]:
    if value is not None and value < target:
        yield f"by {target - value:.3f}"


def _ahead_of_rival(stage: Stage) -> Callable[[str, CohortSummary], Goal | None]:
    def compare(aim: str, one: CohortSummary) -> Goal | None:
        rival = one.rival(stage)
        ratio = _ratio_of(rival)
        if rival is None or ratio is None:
            return None
        measured = f"{number(ratio)}, {rival.variant.setting}"
        return _goal(aim, one.title, measured, _below(ratio.value, RATIO))

    return compare


def _pooled(aim: str, ratio: PooledRatio | None, target: float, *, named: bool = False) -> Goal:
    if ratio is None:
        return Goal(aim, "", "", "not measured")
    measured = number(ratio.estimate)
    if named:
        # The level of a method with one map depends on the network.
        measured += f", {replace(ratio.rivals[0], level='').setting}"
    cohorts = f"all of {count(len(ratio.rivals), 'cohort')}"
    return _goal(aim, cohorts, measured, _below(ratio.estimate.value, target))


def _share_of_upper_bound(stage: Stage) -> Callable[[str, CohortSummary], Goal | None]:
    def compare(aim: str, one: CohortSummary) -> Goal | None:
        ratio = _ratio_of(one.score("auprc", UPPER_BOUND.at(stage)))
        if ratio is None:
            return None
        return _goal(aim, one.title, number(ratio), _below(ratio.value, UPPER_BOUND_SHARE))

    return compare


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
            return _goal(aim, one.title, measured, misses)
    return None


def _randomised(aim: str, one: CohortSummary) -> Goal | None:
    score = one.score("randomised_ssim")
    if score is None:
        return None
    misses = (f"by {each - SSIM:.3f}" for each in (score.mean,) if each >= SSIM)
    return _goal(aim, one.title, number(score.estimate), misses)
