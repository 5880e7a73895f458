"""Write the summary of a benchmark's finished units: tables, figures and a page."""

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
from hrcam.benchmark.page.figures import auprc_figure, levels_figure, ratio_figure, terciles_figure
from hrcam.benchmark.page.formatting import Pictures
from hrcam.benchmark.page.localisation import localisation_chapter
from hrcam.benchmark.page.overview import cohorts_chapter, goals_chapter, summary_text
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
from hrcam.benchmark.variant import Stage
from hrcam.report.figures.style import png
from hrcam.report.page.content import Section
from hrcam.report.page.interpretation import INTERPRETATION

logger = logging.getLogger(__name__)

PAGE, TABLE, FIGURES = "index.html", "table.md", "figures"

_SEED = 0
_DPI = 160


@dataclass(frozen=True)
class Summary:
    """Summary of a benchmark.

    Attributes
    ----------
    text
        One paragraph with the main results.
    goals
        Goals with their outcomes.
    table
        Content of ``summary.csv``.
    page
        The HTML page.
    """

    text: str
    goals: tuple[Goal, ...]
    table: pd.DataFrame
    page: Path


def write_summary(out: Path) -> Summary:
    """Summarise every finished unit of a benchmark.

    Unfinished units are left out and counted on the page. An existing summary is replaced.

    Parameters
    ----------
    out
        Folder of the benchmark. Output: ``benchmark.csv``, every measurement; ``summary.csv``,
        means with intervals; ``table.md`` and ``index.html``, the page without and with pictures;
        and the pictures in ``figures``.

    Returns
    -------
    Summary

    Raises
    ------
    InputError
        If no unit is finished, or a file of one is invalid.
    LoadError
        If saved maps of a unit cannot be read.
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
    text = summary_text(summaries, reached, unfinished, str(manifest.get("suite", "")))
    page = BenchmarkPage(
        title="Benchmark of HR-CAM",
        summary=text,
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
    # File names that are not UTF-8 contain lone surrogates, which are replaced.
    write_atomically(out / TABLE, render_markdown(page).encode("utf-8", "replace"))
    path = write_atomically(out / PAGE, render_html(page).encode("utf-8", "replace"))
    logger.info("summarised %d units of %d cohorts", len(units), len(summaries))
    return Summary(text, reached, table, path)


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
        "Reproduction",
        (
            f"Suite “{manifest.get('suite')}”; {minutes:,.0f} minutes for the finished units. "
            "Versions are listed at the end; the options of each unit are in its unit.json.",
        ),
        (Section("", points=commands),),
    )


def _pictures(summaries: Sequence[CohortSummary]) -> dict[str, bytes]:
    """Return the figures for which there are measurements, by file name."""
    found: dict[str, bytes] = {}

    def keep(name: str, figure: Figure | None) -> None:
        if figure is not None:
            found[name] = png(figure, _DPI)

    if any(one.rival(stage) for one in summaries for stage in Stage):
        keep("ratios", ratio_figure(summaries))
    keep("randomisation", randomisation_figure(summaries))
    of_masks: Mapping[str, Callable[[CohortSummary], Figure | None]] = {
        "auprc": auprc_figure,
        "levels": levels_figure,
        "terciles": terciles_figure,
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
    """Return each library's version, or all versions if units differ."""
    found: dict[str, dict[str, None]] = {}
    for unit in units:
        for name, version in unit.versions.items():
            found.setdefault(name, {})[version] = None
    return {name: " and ".join(versions) for name, versions in found.items()}
