"""The part of a page that says whether its maps mean anything."""

import numpy as np

from hrcam.artifacts.map_checks import Check, CoarseMap, MapChecks
from hrcam.artifacts.sanity_record import Examples, Sanity
from hrcam.report.chapters.sanity_words import compared, findings, number, verdict
from hrcam.report.figures.cascade import cascade_figure
from hrcam.report.figures.comparison import comparison_figure
from hrcam.report.figures.planes import Row
from hrcam.report.figures.style import png
from hrcam.report.page.cohort_page import Chapter
from hrcam.report.page.content import Picture, Section, Table
from hrcam.report.page.text import MISSING, count

HEADING = "Do the maps mean anything?"

# The colours of all HR-CAM columns end where this share of the pattern shown lies below.
_PLACES = 99.9
_RESULTS = {True: "✓ passed", False: "✗ failed", None: "– not measured"}


def sanity_chapter(sanity: Sanity | str) -> Chapter:
    """Return the chapter of a report; of a reason why there are no checks, just that."""
    if isinstance(sanity, str):
        return Chapter("sanity", HEADING, sections=(Section("", note=sanity),))
    return Chapter(
        "sanity",
        HEADING,
        (verdict(sanity.checks), _how(sanity)),
        sections=(
            Section("", findings=findings(sanity.checks)),
            _examples(sanity),
            *_cascade(sanity.checks),
            Section("All numbers", table=_table(sanity.checks)),
        ),
    )


def sanity_section(sanity: Sanity) -> Section:
    """Return all of it as one section, for a page without chapters."""
    examples = _examples(sanity)
    return Section(
        HEADING,
        (verdict(sanity.checks), _how(sanity), *examples.paragraphs),
        findings(sanity.checks),
        pictures=(
            *examples.pictures,
            *(picture for section in _cascade(sanity.checks) for picture in section.pictures),
        ),
    )


def _how(sanity: Sanity) -> str:
    seen = "had learnt from" if sanity.seen else "had not learnt from"
    text = (
        f"Measured on the pattern maps of {sanity.network}, on "
        f"{count(sanity.checks.images, 'scan')} that it {seen}, chosen without regard to their "
        "maps, inside the brain or the picture. No mask is needed."
    )
    if sanity.others_learnt:
        text += " The networks that it is compared with had learnt from these scans."
    return text


def _examples(sanity: Sanity) -> Section:
    coarse = sanity.checks.coarse
    paragraphs = [
        "HR-CAM beside what it has to differ from, and what it has to resemble. An untrained "
        "network should show something else, another trained one much the same. All HR-CAM maps "
        "have one colour scale; a low-resolution map has its own.",
    ]
    if coarse is not None:
        cells = " × ".join(map(str, coarse.cells))
        paragraphs.append(
            f"{coarse.method} is the usual low-resolution map: it reads the coarsest level alone, "
            f"one value for each of {cells} cells. HR-CAM {_agreement(coarse.spearman)} with it "
            f"(rank correlation {number(coarse.spearman)}; {100 * coarse.overlap:.0f} % of the "
            "area that either marks as its highest 5 % is marked by both). Neither is the truth: "
            "where they differ, HR-CAM has seen something at a finer level, or was misled by it."
        )
    return Section(
        "The same scans, mapped in other ways",
        tuple(paragraphs),
        pictures=(_picture(sanity.examples, coarse),),
    )


def _agreement(spearman: float) -> str:
    if spearman >= 0.7:
        return "agrees"
    return "agrees in part" if spearman >= 0.3 else "does not agree"


def _picture(examples: Examples, coarse: CoarseMap | None) -> Picture:
    image, pattern, *others = examples.columns
    rows = []
    for (scan, name), planes in zip(examples.rows, examples.pictures, strict=True):
        if examples.radiological:  # a volume of one slice, which is turned and marked
            planes = planes[..., None]
        values = dict(zip((pattern, *others), planes[1:], strict=True))
        rows.append(Row(f"{name} {scan}", planes[0], values, spacing=_spacing(examples)))
    limit = float(np.percentile(np.abs(examples.pictures[:, 1]), _PLACES)) or 1.0
    low = (
        ()
        if coarse is None
        else tuple(title for title in others if title.startswith(coarse.method))
    )
    limits = dict.fromkeys((title for title in (pattern, *others) if title not in low), limit)
    return Picture(
        png(comparison_figure(rows, limits=limits)),
        f"{count(len(rows), 'scan')}: {image.lower()}, {', '.join((pattern, *others))}.",
        "Warm speaks for the class on the left, cold against it."
        + (" Of each volume, the slice where the pattern is highest." if examples.volumes else ""),
    )


def _spacing(examples: Examples) -> tuple[float, ...] | None:
    if examples.spacing is None:
        return None
    return (*examples.spacing, 1.0) if examples.radiological else examples.spacing


def _cascade(checks: MapChecks) -> tuple[Section, ...]:
    if not checks.cascade:
        return ()
    limit = next(check.limit for check in checks.checks if check.name == "randomisation")
    picture = Picture(
        png(cascade_figure(checks.cascade, limit)),
        "Similarity with the real map as more and more layers are made random.",
        "How like the map stays to the real one as layers of the network are made random, from "
        "its output to its input, with HR-CAM fitted anew each time. At 0 nothing is random. A "
        "curve that stays high belongs to a map that shows the picture, not what was learnt "
        "(Adebayo et al., NeurIPS 2018).",
    )
    return (Section("As the network forgets", pictures=(picture,)),)


def _table(checks: MapChecks) -> Table:
    rows: list[tuple[str, ...]] = []
    for check in checks.checks:
        rows.append(_row(check))
        rows += [(f"· {name}", number(value), "", "", "") for name, value in check.details.items()]
    return Table(
        ("Map compared", "Mean", "Lowest to highest scan", "Asked for", "Result"),
        tuple(rows),
        numeric=(1, 2, 3),
        caption="SSIM: Wang et al., IEEE TIP 2004; 1 for maps that look the same. Rank "
        "correlation: Spearman’s, over the voxels of a scan; 1 for the same order. What is asked "
        "for is our choice and the same for every run; for the untrained network it rises, up to "
        "0.50, to the similarity of maps of different scans (Arun et al., Radiology: AI 2021).",
    )


def _row(check: Check) -> tuple[str, ...]:
    asked = f"{'<' if check.below else '≥'} {number(check.limit)}"
    name = compared(check)
    if check.passed is None:
        return name, MISSING, MISSING, asked, _RESULTS[None]
    span = f"{number(min(check.values))} to {number(max(check.values))}"
    return name, number(check.value), span, asked, _RESULTS[check.passed]
