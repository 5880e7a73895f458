"""Figures of faithfulness, with controls, and of randomised networks."""

from collections.abc import Mapping, Sequence
from math import ceil

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hrcam.benchmark.page.charts import (
    OURS,
    RIVAL,
    WIDTH,
    draw_curve,
    finish,
    legend,
    write_title,
)
from hrcam.benchmark.summary.cohort import CohortSummary
from hrcam.benchmark.summary.goals import SSIM
from hrcam.benchmark.summary.ranking import DEFAULT, Score, blurred, is_control, is_hrcam
from hrcam.benchmark.variant import Variant
from hrcam.report.figures.style import INK, MUTED, TEXT_SIZE, TICK_SIZE, new_figure, wrapped

_STAGE = "randomised_ssim@"
_PANELS = (("insertion", "Insertion (larger is better)"), ("deletion", "Deletion (smaller)"))


def faithfulness_figure(summary: CohortSummary) -> Figure | None:
    """Plot insertion and deletion of each map and its blurred copy; None if not measured."""
    panels = [(name, title) for name, title in _PANELS if summary.scores.get(name)]
    if not panels:
        return None
    first = summary.scores[panels[0][0]]
    shown = sorted(
        (each for variant, each in first.items() if not is_control(variant)),
        key=lambda each: each.mean,
        reverse=panels[0][0] == "deletion",
    )
    variants = [each.variant for each in shown]
    left, height = 2.7, 1.15 + 0.22 * len(variants)
    figure = new_figure(WIDTH, height)
    width = (WIDTH - left - 0.2 - 0.15 * (len(panels) - 1)) / len(panels)
    bottom = 0.5 / height
    for index, (measure, title) in enumerate(panels):
        place = ((left + index * (width + 0.15)) / WIDTH, bottom)
        axes = figure.add_axes((*place, width / WIDTH, (height - 1.15) / height))
        _beside_control(axes, summary.scores[measure], variants)
        axes.set_title(title, fontsize=TEXT_SIZE, color=INK)
        names = [wrapped(variant.name, left - 0.2, TEXT_SIZE, lines=1) for variant in variants]
        axes.set_yticks(range(len(variants)), names if index == 0 else [], parse_math=False)
        finish(axes)
        axes.tick_params(axis="y", labelsize=TEXT_SIZE, labelcolor=INK)
    write_title(figure, f"{summary.title}: filled: map; hollow: its blurred copy")
    return figure


def _beside_control(
    axes: Axes, scores: Mapping[Variant, Score], variants: Sequence[Variant]
) -> None:
    for row, variant in enumerate(variants):
        colour, marker = (OURS, "D") if is_hrcam(variant) else (RIVAL, "o")
        score, control = scores.get(variant), scores.get(blurred(variant))
        if score is not None and control is not None:
            axes.plot([score.mean, control.mean], [row, row], color=colour, lw=1)
        if control is not None:
            axes.plot(control.mean, row, marker, ms=5, mfc="white", mec=colour)
        if score is not None:
            axes.plot(score.mean, row, marker, ms=5.5, color=colour)
    axes.set_ylim(-0.6, len(variants) - 0.4)


def randomisation_figure(summaries: Sequence[CohortSummary]) -> Figure | None:
    """Plot the similarity of maps as layers are randomised; None if not measured."""
    curves = {one.title: each for one in summaries if (each := randomisation_curves(one))}
    if not curves:
        return None
    columns = min(2, len(curves))
    rows = ceil(len(curves) / columns)
    figure = new_figure(WIDTH, 0.6 + 2.1 * rows)
    height = figure.get_figheight()
    # Without levels, whose names depend on the network.
    methods = [DEFAULT.method, *(each.method for by in curves.values() for each in by)]
    numbers = {method: index for index, method in enumerate(dict.fromkeys(methods))}
    panels = []
    for index, (title, by_variant) in enumerate(curves.items()):
        column, row = index % columns, index // columns
        axes = figure.add_axes(
            (0.09 + column * 0.34, (height - 0.3 - 2.1 * row - 1.6) / height, 0.3, 1.6 / height)
        )
        axes.axhline(SSIM, color=MUTED, lw=1, ls="--")
        for variant, points in by_variant.items():
            shares, values = zip(*points, strict=True)
            draw_curve(axes, numbers[variant.method], shares, values, variant.method)
        axes.set_xlim(-0.03, 1.03)
        axes.set_ylim(min(0, *axes.get_ylim()), 1.03)
        axes.set_title(
            wrapped(title, 2.2, TEXT_SIZE, lines=1), fontsize=TEXT_SIZE, color=INK, parse_math=False
        )
        if column == 0:
            axes.set_ylabel("SSIM with the map", fontsize=TEXT_SIZE, color=INK)
        finish(axes)
        panels.append(axes)
    legend(panels[columns - 1], *panels)
    figure.text(
        0.09, 0.12 / height, "Fraction of randomised layers, from the output (dashed: upper limit"
        f" at the end, {SSIM})", fontsize=TICK_SIZE, color=INK,
    )  # fmt: skip
    return figure


def randomisation_curves(
    summary: CohortSummary,
) -> dict[Variant, tuple[tuple[float, float], ...]]:
    """Return the fraction of randomised layers and the SSIM with the original map, by variant.

    Every curve starts at (0, 1), the map itself.
    """
    stages = {
        float(measure.removeprefix(_STAGE)): scores
        for measure, scores in summary.scores.items()
        if measure.startswith(_STAGE)
    }
    ends = summary.scores.get("randomised_ssim", {})
    if not stages:
        return {}
    return {
        variant: (
            (0.0, 1.0),
            *(
                (share, stages[share][variant].mean)
                for share in sorted(stages)
                if share < 1 and variant in stages[share]
            ),
            (1.0, end.mean),
        )
        for variant, end in ends.items()
    }
