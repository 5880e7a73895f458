"""The chapter on findings: how often images have one, and how regions fit the masks."""

from collections.abc import Sequence

from hrcam.artifacts.control_table import RATE
from hrcam.artifacts.maps_folder import MapsFolder
from hrcam.artifacts.scan_findings import MaskScores, ScanFindings
from hrcam.artifacts.scan_record import ScanRecord
from hrcam.evaluation.estimate import Estimate, wilson_interval, with_interval
from hrcam.evaluation.finding_scores import summarise_findings
from hrcam.report.page.cohort_page import Chapter
from hrcam.report.page.content import Section, Table
from hrcam.report.page.text import count, minus

_FOUND = list[tuple[ScanRecord, ScanFindings]]
_RATE = f"{100 * RATE:.0f} %"
_UNLABELLED = "unlabelled"
_WHAT = (
    "A finding is a region where the refined pattern is high in comparison with the maximum of its "
    "image. Its outline is not that of a lesion, and an image without a finding need not be "
    "healthy. Masks were used for scores alone."
)


def findings_chapter(maps: MapsFolder) -> list[Chapter]:
    """Return the chapter; none if the records tell nothing of findings.

    Scans that all networks were trained on do not count.
    """
    found: _FOUND = [
        (record, record.findings)
        for record in maps.records
        if record.findings is not None and not record.seen_in_training
    ]
    if not found:
        return []
    sections = [Section("Images with a finding", table=_how_often(found))]
    scored = [(record, about.scores) for record, about in found if about.scores is not None]
    if scored:
        sections.append(_scores(scored))
    return [
        Chapter("findings", "Findings", (_WHAT, _compared(found)), sections=tuple(sections)),
    ]


def _compared(found: _FOUND) -> str:
    """Say what the images were compared with."""
    numbers = sorted({about.controls for _, about in found if about.controls})
    reasons = sorted({about.comparison for _, about in found if about.comparison})
    why = f"Not compared with control images: {'; '.join(reasons)}." if reasons else ""
    if not numbers:
        return f"{why} Every image then has a region, as every map has a maximum."
    span = " to ".join(dict.fromkeys(f"{number:,}" for number in (numbers[0], numbers[-1])))
    text = (
        f"Each image was compared with {span} control images of other subjects, which the networks "
        f"had not learnt from: it has a finding if at most {_RATE} of them, itself included, "
        f"score as high. Of new control images at most {_RATE} are expected to have one."
    )
    return f"{text} {why}".strip()


def _how_often(found: _FOUND) -> Table:
    labels = [record.label or _UNLABELLED for record, _ in found]
    rows = []
    for label in sorted(set(labels)):
        counts = [about.regions for own, (_, about) in zip(labels, found, strict=True)
                  if own == label]  # fmt: skip
        called = sum(number > 0 for number in counts)
        share = with_interval(called / len(counts), *wilson_interval(called, len(counts)))
        mean = f"{sum(counts) / len(counts):.2f}"
        rows.append((label, str(len(counts)), str(called), share, mean))
    return Table(
        ("True class", "Scans", "With a finding", "Share", "Regions of a scan"),
        tuple(rows),
        numeric=(1, 2, 3, 4),
        caption="Wilson's 95 % intervals",
    )


def _scores(scored: Sequence[tuple[ScanRecord, MaskScores]]) -> Section:
    people = [record.participant for record, _ in scored]
    if len(set(people)) < 2:
        return Section("Against the masks", ("Scores need the masks of two participants or more.",))
    summary = summarise_findings([scores for _, scores in scored], people)
    rows: list[tuple[str, Estimate, str]] = [
        ("Dice", summary.dice, count(summary.images, "image")),
        ("Intersection over union", summary.iou, count(summary.images, "image")),
        ("Lesions found (sensitivity)", summary.sensitivity, count(summary.lesions, "lesion")),
        ("False positives of an image", summary.false_positives, count(len(scored), "image")),
    ]
    return Section(
        "Against the masks",
        (
            "Overlap is that of all regions of an image with its mask, 0 where there is no "
            "finding. A region matches a lesion if their intersection over union is 0.1 or more.",
        ),
        table=Table(
            ("Score", "Value", "Over"),
            tuple(
                (name, minus(with_interval(one.value, one.low, one.high)), over)
                for name, one, over in rows
            ),
            numeric=(1,),
            caption="95 % intervals from a bootstrap over participants",
        ),
    )
