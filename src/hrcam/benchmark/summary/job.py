"""The summary of a benchmark's finished units: tables, figures and one page."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from hrcam.artifacts.atomic import replacing, write_atomically
from hrcam.artifacts.formats import read_versioned
from hrcam.benchmark.layout import (
    ALL_MEASUREMENTS,
    BENCHMARK_FORMAT,
    EXAMPLES,
    MANIFEST,
    SUMMARY,
    UNITS,
)
from hrcam.benchmark.page.check_figures import faithfulness_figure, randomisation_figure
from hrcam.benchmark.page.checks import (
    faithfulness_chapter,
    prediction_chapter,
    robustness_chapter,
    sanity_chapter,
)
from hrcam.benchmark.page.content import BenchmarkPage, Chapter, render_html, render_markdown
from hrcam.benchmark.page.figures import auprc_figure, lead_figure, levels_figure, thirds_figure
from hrcam.benchmark.page.localisation import localisation_chapter
from hrcam.benchmark.page.overview import cohorts_chapter, goals_chapter, lead_text
from hrcam.benchmark.page.wording import Pictures
from hrcam.benchmark.summary.cohort import CohortSummary, summarise_cohort
from hrcam.benchmark.summary.goals import Goal, goals
from hrcam.benchmark.summary.ranking import summary_table
from hrcam.benchmark.summary.results import (
    FinishedUnit,
    copy_measurements,
    finished_units,
    read_cohort,
    write_between_seeds,
)
from hrcam.report.figures.style import png
from hrcam.report.page.content import Section
from hrcam.report.page.interpretation import INTERPRETATION

logger = logging.getLogger(__name__)

PAGE, TABLE, FIGURES = "index.html", "table.md", "figures"

_SEED = 0
_DPI = 160


@dataclass(frozen=True)
class Summary:
    """What a benchmark came to.

    Attributes
    ----------
    lead
        In plain words.
    goals
        Each with its outcome.
    table
        As in ``summary.csv``.
    page
        The file to open.
    """

    lead: str
    goals: tuple[Goal, ...]
    table: pd.DataFrame
    page: Path


def write_summary(out: Path) -> Summary:
    """Summarise every finished unit of a benchmark.

    Units that are not finished are left out, and counted on the page. Running it again replaces
    what an earlier summary wrote.

    Parameters
    ----------
    out
        The benchmark's folder. Gets ``benchmark.csv``, every measurement; ``summary.csv``, means
        with intervals; ``table.md`` and ``index.html``, the page without and with its pictures;
        and those in ``figures``.

    Returns
    -------
    Summary

    Raises
    ------
    InputError
        If no unit is finished, or a file of one is not what it should be.
    LoadError
        If maps that a unit has kept cannot be read.
    OSError
        If a file cannot be written.
    """
    units = finished_units(out)
    summaries = [
        summarise_cohort(read_cohort(list(of_cohort)), _SEED)
        for _, of_cohort in groupby(units, key=lambda unit: unit.cohort)
    ]
    reached = goals(summaries)
    table = pd.concat([summary_table(one.cohort, one.scores) for one in summaries])
    pictures = _pictures(summaries)
    unfinished = len([each for each in (out / UNITS).iterdir() if each.is_dir()]) - len(units)
    manifest = _manifest(out)
    lead = lead_text(summaries, reached, unfinished, str(manifest.get("suite", "")))
    page = BenchmarkPage(
        title="HR-CAM and its rivals",
        lead=lead,
        chapters=_chapters(summaries, reached, pictures, manifest),
        versions=_versions(units),
        seed=_SEED,
    )
    with (
        replacing(out / ALL_MEASUREMENTS) as partial,
        partial.open("w", newline="", encoding="utf-8") as stream,
    ):
        copy_measurements(units, stream)
        for one in summaries:
            write_between_seeds(one.cohort, stream)
    write_atomically(out / SUMMARY, table.to_csv(index=False).encode())
    for name, content in pictures.items():
        write_atomically(out / FIGURES / f"{name}.png", content)
    # Replaced, not refused: a name that is not UTF-8 reaches us as lone surrogates.
    write_atomically(out / TABLE, render_markdown(page).encode("utf-8", "replace"))
    path = write_atomically(out / PAGE, render_html(page).encode("utf-8", "replace"))
    logger.info("summarised %d units of %d cohorts", len(units), len(summaries))
    return Summary(lead, reached, table, path)


def _chapters(
    summaries: Sequence[CohortSummary],
    reached: Sequence[Goal],
    pictures: Pictures,
    manifest: Mapping[str, Any],
) -> tuple[Chapter, ...]:
    chapters = (
        cohorts_chapter(summaries),
        goals_chapter(reached),
        localisation_chapter(summaries, pictures),
        prediction_chapter(summaries),
        faithfulness_chapter(summaries, pictures),
        sanity_chapter(summaries, pictures),
        robustness_chapter(summaries),
        Chapter(
            "reading",
            INTERPRETATION.heading,
            INTERPRETATION.paragraphs,
            (Section("", table=INTERPRETATION.table, points=INTERPRETATION.points),),
        ),
        _how_made(manifest),
    )
    return tuple(chapter for chapter in chapters if chapter is not None)


def _how_made(manifest: Mapping[str, Any]) -> Chapter | None:
    commands = tuple(str(each) for each in manifest.get("commands", ()))
    if not commands:
        return None
    minutes = float(manifest.get("seconds", 0)) / 60
    return Chapter(
        "made",
        "How this was made",
        (
            f"Suite “{manifest.get('suite')}”; {minutes:,.0f} minutes for the finished units. "
            "Versions are in the last lines; each unit's options are in its unit.json.",
        ),
        (Section("", points=commands),),
    )


def _pictures(summaries: Sequence[CohortSummary]) -> dict[str, bytes]:
    """Draw every figure that there are measurements for, by the names of their files."""
    found: dict[str, bytes] = {}

    def keep(name: str, figure: Figure | None) -> None:
        if figure is not None:
            found[name] = png(figure, _DPI)

    if any(one.rival or one.fused_rival for one in summaries):
        keep("lead", lead_figure(summaries))
    keep("randomisation", randomisation_figure(summaries))
    of_masks: Mapping[str, Callable[[CohortSummary], Figure | None]] = {
        "auprc": auprc_figure,
        "levels": levels_figure,
        "thirds": thirds_figure,
    }
    for one in summaries:
        name = one.cohort.name
        if one.scores.get("auprc"):
            for kind, draw in of_masks.items():
                keep(f"{kind}-{name}", draw(one))
        keep(f"faithfulness-{name}", faithfulness_figure(one))
        examples = [each / EXAMPLES for each in one.cohort.folders if (each / EXAMPLES).is_file()]
        if examples:
            found[f"examples-{name}"] = examples[0].read_bytes()
    return found


def _manifest(out: Path) -> dict[str, Any]:
    path = out / MANIFEST
    return read_versioned(path, BENCHMARK_FORMAT) if path.is_file() else {}


def _versions(units: Sequence[FinishedUnit]) -> dict[str, str]:
    """Return each library's version; all of them where units were made with several."""
    found: dict[str, dict[str, None]] = {}
    for unit in units:
        for name, version in unit.versions.items():
            found.setdefault(name, {})[version] = None
    return {name: " and ".join(versions) for name, versions in found.items()}
