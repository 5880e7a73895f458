"""What the page says first: what was compared, who is ahead, which goals were reached."""

from collections.abc import Mapping, Sequence

from hrcam.benchmark.page.content import Chapter
from hrcam.benchmark.page.wording import MISSING, listed, outcome
from hrcam.benchmark.summary.cohort import CohortSummary
from hrcam.benchmark.summary.goals import Goal
from hrcam.benchmark.summary.ranking import Score
from hrcam.report.page.content import Section, Table
from hrcam.report.page.text import count, minus


def lead_text(
    summaries: Sequence[CohortSummary], goals: Sequence[Goal], unfinished: int, suite: str
) -> str:
    """Say in plain words what was compared, who is ahead, and what was missed.

    Parameters
    ----------
    summaries, goals
        Of all cohorts.
    unfinished
        Number of units that are not in them.
    suite
        Name of the suite; "quick" says what its numbers are good for.
    """
    sentences = [
        f"HR-CAM and its rivals explained the same networks on {count(len(summaries), 'cohort')}, "
        f"{_kinds(summaries)}, without ever seeing a mask; then the masks scored their maps."
    ]
    if any(one.rival for one in summaries):
        standing = _standing({one.title: one.rival for one in summaries})
        sentences.append(
            "Against the best rival at its best level, which was chosen with the masks, the "
            f"default HR-CAM pattern map is {standing}."
        )
    if any(one.fused_rival for one in summaries):
        standing = _standing({one.title: one.fused_rival for one in summaries})
        sentences.append(f"Against the best rival with all its levels fused, it is {standing}.")
    outcomes = [goal.outcome for goal in goals]
    counts = ", ".join(
        f"{outcomes.count(each)} {each}" for each in ("reached", "missed", "not measured")
    )
    sentences.append(f"Of {count(len(goals), 'goal')}, each counted on each cohort: {counts}.")
    if unfinished:
        sentences.append(
            f"The benchmark is not finished: {count(unfinished, 'unit')} (a cohort with a seed) "
            f"{'is' if unfinished == 1 else 'are'} not in these numbers."
        )
    if suite == "quick":
        sentences.append(
            "This is the quick suite, with small cohorts and short trainings: it shows that all "
            "works, and is no result."
        )
    return " ".join(sentences)


def cohorts_chapter(summaries: Sequence[CohortSummary]) -> Chapter:
    """Say what was compared, on what, and how."""
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
        "Simulated images show how a method behaves where the truth is known, and nothing about "
        "patients."
    )
    simulated = any(one.cohort.simulated for one in summaries)
    return Chapter(
        "compared",
        "What was compared",
        (
            "For each cohort and seed a CNN learnt the classes from labels alone. Every method "
            "then mapped the true class of the same images, which the CNN had not seen. HR-CAM is "
            "the same everywhere: all levels, no setting to choose, no mask. Each rival appears "
            "with the level, and with the fusion of levels, at which its AUPRC is the largest: "
            "chosen with the very masks that score it, an advantage that nobody without masks has.",
            "The maps without a model (random, a blob at the centre, edges, brightness, darkness) "
            "are what a map has to beat before it says anything. The U-Net, which learnt from "
            "masks, is the ceiling. Methods that take many runs of the network for one image were "
            "measured on fewer images; ratios are of the images that both have.",
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
    """List every goal with what was measured."""
    rows = tuple(
        (goal.aim, goal.cohort or MISSING, minus(goal.measured) or MISSING, goal.verdict)
        for goal in goals
    )
    return Chapter(
        "goals",
        "Goals",
        ("What HR-CAM set out to reach before anything was measured, and by how much it missed.",),
        (Section("", table=Table(("Goal", "Cohort", "Measured", "Outcome"), rows)),),
    )


def _standing(rivals: Mapping[str, Score | None]) -> str:
    """Say on which cohorts the default map is ahead, and on which it is not."""
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
