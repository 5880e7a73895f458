"""The summary text, and the chapters on the design and on the goals."""

from collections.abc import Mapping, Sequence

from hrcam.benchmark.page.content import Chapter
from hrcam.benchmark.page.formatting import MISSING, listed, outcome
from hrcam.benchmark.summary.cohort import CohortSummary
from hrcam.benchmark.summary.goals import Goal
from hrcam.benchmark.summary.ranking import Score
from hrcam.benchmark.variant import Stage
from hrcam.report.page.content import Section, Table
from hrcam.report.page.text import count, minus


def summary_text(
    summaries: Sequence[CohortSummary], goals: Sequence[Goal], unfinished: int, suite: str
) -> str:
    """Return the summary of the benchmark in one paragraph.

    Parameters
    ----------
    summaries, goals
        Summaries and goals of all cohorts.
    unfinished
        Number of unfinished units.
    suite
        Name of the suite.
    """
    sentences = [
        f"HR-CAM and other methods explained the same networks on "
        f"{count(len(summaries), 'cohort')}, {_kinds(summaries)}, without using masks, which were "
        "then used to score the maps."
    ]
    for stage, stages in ((Stage.AS_READ, "Both as read"), (Stage.REFINED, "Both refined alike")):
        rivals = {one.title: one.rival(stage) for one in summaries}
        if any(rivals.values()):
            sentences.append(
                f"{stages}, the HR-CAM pattern is {_standing(rivals)}, compared with the best "
                "rival at its best level or fusion, which was selected with the masks."
            )
    outcomes = [goal.outcome for goal in goals]
    counts = ", ".join(
        f"{outcomes.count(each)} {each}" for each in ("reached", "missed", "not measured")
    )
    sentences.append(f"Of {count(len(goals), 'goal')}, each counted on each cohort: {counts}.")
    if unfinished:
        sentences.append(
            f"The benchmark is not finished: {count(unfinished, 'unit')} (a cohort with a seed) "
            f"{'is' if unfinished == 1 else 'are'} not included."
        )
    if suite == "quick":
        sentences.append(
            "The quick suite, with small cohorts and short trainings, is a functional test, not a "
            "result."
        )
    return " ".join(sentences)


def cohorts_chapter(summaries: Sequence[CohortSummary]) -> Chapter:
    """Return the chapter on cohorts and methods."""
    rows = []
    for one in summaries:
        subjects = one.cohort.subjects
        default = one.score("auprc")
        rows.append(
            (
                one.cohort.name,
                "simulated" if one.cohort.simulated else "real",
                f"{len(subjects):,}",
                f"{subjects['group'].nunique():,}",
                f"{default.subjects:,}" if default else MISSING,
                ", ".join(sorted(set(subjects["label"]))),
                ", ".join(map(str, one.cohort.seeds)),
            )
        )
    headers = (
        "Cohort", "Source", "Images tested", "Subjects", "Scored with masks", "Classes", "Seeds",
    )  # fmt: skip
    note = (
        "Simulated images show the behaviour of methods with a known truth, not results for "
        "patients."
    )
    simulated = any(one.cohort.simulated for one in summaries)
    return Chapter(
        "compared",
        "Cohorts and methods",
        (
            "For each cohort and seed a CNN was trained on labels only. Every method then mapped "
            "the true class of the same unseen images. HR-CAM uses all levels, with the same "
            "settings for all cohorts; “HR-CAM (2019)” is the method as published: the evidence "
            "map of a head that was fitted to the labels on the frozen CNN. Each rival is listed "
            "at the level, and with the fusion of levels, with the largest AUPRC: this selection "
            "uses the masks, an advantage that users without masks do not have.",
            "Every map is scored as read from the network, and refined: smoothed along the edges "
            "of the image by the same function for every method. Maps are compared with maps at "
            "the same stage.",
            "Model-free maps (random, a blob at the centre, edges, brightness, darkness) are lower "
            "bounds, which a useful map exceeds. The U-Net, which was trained on masks, is an "
            "upper bound. Methods that need many forward passes per image were measured on fewer "
            "images; ratios are of the common images.",
        ),
        (
            Section(
                "",
                table=Table(headers, tuple(rows), numeric=(2, 3, 4)),
                note=note if simulated else "",
            ),
        ),
    )


def goals_chapter(goals: Sequence[Goal]) -> Chapter:
    """Return the chapter on the goals."""
    rows = tuple(
        (goal.aim, goal.cohort or MISSING, minus(goal.measured) or MISSING, goal.verdict)
        for goal in goals
    )
    return Chapter(
        "goals",
        "Goals",
        ("Goals that were set before the measurements, with the results.",),
        (Section("", table=Table(("Goal", "Cohort", "Measured", "Outcome"), rows)),),
    )


def _standing(rivals: Mapping[str, Score | None]) -> str:
    """Return on which cohorts the default map is better or worse."""
    verdicts: dict[str, list[str]] = {}
    for title, rival in rivals.items():
        if rival is not None:
            verdicts.setdefault(outcome(rival), []).append(title)
    return "; ".join(f"{verdict} on {listed(titles)}" for verdict, titles in verdicts.items())


def _kinds(summaries: Sequence[CohortSummary]) -> str:
    simulated = sum(one.cohort.simulated for one in summaries)
    if len(summaries) == 1:
        return "a simulated one" if simulated else "a real one"
    if simulated == len(summaries):
        return "all of them simulated"
    return f"{simulated} of them simulated" if simulated else "none of them simulated"
