"""The chapter on the sanity checks of the maps."""

import numpy as np

from hrcam.artifacts.check_results import Check, CoarseMap, MapChecks
from hrcam.artifacts.sanity_record import Examples, Sanity
from hrcam.report.chapters.sanity_text import answers, compared, number, verdict
from hrcam.report.figures.cascade import cascade_figure
from hrcam.report.figures.comparison import comparison_figure
from hrcam.report.figures.planes import Row
from hrcam.report.figures.style import png
from hrcam.report.page.cohort_page import Chapter
from hrcam.report.page.content import Picture, Section, Table
from hrcam.report.page.text import MISSING, count

HEADING = "Sanity checks of the maps"

# The limit of the colour scale of all HR-CAM columns is this percentile of the shown pattern.
_PLACES = 99.9
_RESULTS = {True: "✓ passed", False: "✗ failed", None: "– not measured"}


def sanity_chapter(sanity: Sanity | str) -> Chapter:
    """Return the chapter of a report, or the reason why there are no checks."""
    if isinstance(sanity, str):
        return Chapter("sanity", HEADING, sections=(Section("", note=sanity),))
    return Chapter(
        "sanity",
        HEADING,
        (verdict(sanity.checks), _how(sanity)),
        sections=(
            Section("", answers=answers(sanity.checks)),
            _examples(sanity),
            *_cascade(sanity.checks),
            Section("All numbers", table=_table(sanity.checks)),
        ),
    )


def sanity_section(sanity: Sanity) -> Section:
    """Return the same as one section, for a page without chapters."""
    examples = _examples(sanity)
    return Section(
        HEADING,
        (verdict(sanity.checks), _how(sanity), *examples.paragraphs),
        answers(sanity.checks),
        pictures=(
            *examples.pictures,
            *(picture for section in _cascade(sanity.checks) for picture in section.pictures),
        ),
    )


def _how(sanity: Sanity) -> str:
    seen = "was trained on" if sanity.seen else "was not trained on"
    text = (
        f"Measured on the pattern maps of {sanity.network}, on "
        f"{count(sanity.checks.images, 'scan')} that it {seen}, selected independently "
        "of their maps, within the brain or the picture. "
    )
    scored = next((check for check in sanity.checks.checks if check.name == "bounds"), None)
    if scored is None:
        text += "No masks were used."
    elif scored.values:
        text += f"The masks of {count(len(scored.values), 'scan')} were used for scores alone."
    else:
        text += "Masks were used for scores alone."
    if sanity.others_learnt:
        text += " The networks that it is compared with were trained on these scans."
    return text


def _examples(sanity: Sanity) -> Section:
    coarse = sanity.checks.coarse
    paragraphs = [
        "HR-CAM in comparison with other maps. Maps of an untrained network should differ, maps of "
        "another trained network should be similar. All HR-CAM maps have one colour scale; the "
        "low-resolution map has its own.",
    ]
    if coarse is not None:
        cells = " × ".join(map(str, coarse.cells))
        paragraphs.append(
            f"{coarse.method} is the usual low-resolution map, of the coarsest level alone, with "
            f"{cells} cells. HR-CAM {_agreement(coarse.spearman)} with it "
            f"(rank correlation {number(coarse.spearman)}; {100 * coarse.overlap:.0f} % of the "
            "area that either marks as its highest 5 % is marked by both). Neither is the truth: "
            "where they differ, a finer level contributed to HR-CAM, rightly or wrongly."
        )
    return Section(
        "The same scans, mapped by other networks and methods",
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
        if examples.radiological:  # as a volume of one slice, which the figure reorients and marks
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
        "Warm: for the class on the left; cold: against it."
        + (" For volumes, the slice with the maximum of the pattern." if examples.volumes else ""),
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
        "Similarity with the original map as more layers are randomised.",
        "Similarity with the original map as layers of the network are randomised, from its output "
        "to its input, with HR-CAM refitted each time. At 0 nothing is random. If the curve stays "
        "high, the map shows the image and not what the network learnt (Adebayo et al., NeurIPS "
        "2018).",
    )
    return (Section("Cascading randomisation of the network", pictures=(picture,)),)


def _table(checks: MapChecks) -> Table:
    rows: list[tuple[str, ...]] = []
    for check in checks.checks:
        rows.append(_row(check))
        rows += [(f"· {name}", number(value), "", "", "") for name, value in check.details.items()]
    return Table(
        ("Comparison", "Mean", "Range over scans", "Limit", "Result"),
        tuple(rows),
        numeric=(1, 2, 3),
        caption="SSIM: Wang et al., IEEE TIP 2004; 1 for identical maps. Rank "
        "correlation: Spearman’s, over the voxels of a scan; 1 for the same order. AUPRC: "
        "pixel-wise average precision of the map’s size against the mask. The limits are our "
        "choice and the same for every run.",
    )


def _row(check: Check) -> tuple[str, ...]:
    sign = ">" if check.name == "bounds" else "<" if check.below else "≥"
    asked = f"{sign} {number(check.limit)}"
    name = compared(check)
    if check.passed is None:
        return name, MISSING, MISSING, asked, _RESULTS[None]
    span = f"{number(min(check.values))} to {number(max(check.values))}"
    return name, number(check.value), span, asked, _RESULTS[check.passed]
