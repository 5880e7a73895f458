"""Figures of localisation: by method, level, and size of the lesion."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hrcam.benchmark.page.charts import (
    FUSED,
    LONGEST_NAME,
    OURS,
    RIVAL,
    ROW,
    TOP,
    WIDTH,
    draw_curve,
    draw_interval,
    finish,
    legend,
    rows_figure,
    write_estimate,
    write_title,
)
from hrcam.benchmark.summary.cohort import CohortSummary
from hrcam.benchmark.summary.goals import RATIO
from hrcam.benchmark.summary.ranking import (
    DEFAULT,
    UPPER_BOUND,
    Score,
    best_scores,
    is_hrcam,
    is_model_free,
    is_rival,
    value_of,
)
from hrcam.benchmark.summary.terciles import Property, Tercile
from hrcam.benchmark.variant import Variant
from hrcam.evaluation.estimate import Estimate
from hrcam.report.figures.style import INK, MUTED, TEXT_SIZE, TICK_SIZE, new_figure, wrapped


def auprc_figure(summary: CohortSummary) -> Figure:
    """Plot each method's AUPRC as a dot with its interval, the best on top.

    Rivals are shown at their best level and with their best fusion. Lines are the U-Net and the
    model-free maps; small ticks are the means of single seeds.

    Parameters
    ----------
    summary
        Summary of a cohort with AUPRC.
    """
    scores = summary.scores["auprc"]
    shown = [
        each
        for each in best_scores(scores)
        if not is_model_free(each.variant) and each.variant != UPPER_BOUND
    ]
    shown.reverse()
    names = [wrapped(_name(each), LONGEST_NAME, TEXT_SIZE, lines=1) for each in shown]
    figure, axes = rows_figure(names, top=0.65)
    axes.set_xlim(0, 1)
    _reference_lines(axes, scores)
    for row, each in enumerate(shown):
        colour = OURS if is_hrcam(each.variant) else FUSED if each.variant.fusion else RIVAL
        marker = "D" if is_hrcam(each.variant) else "s" if each.variant.fusion else "o"
        draw_interval(axes, row, each.estimate, colour, marker, thick=each.variant == DEFAULT)
        if len(each.by_seed) > 1:
            below = [row - 0.32] * len(each.by_seed)
            axes.plot(each.by_seed, below, "|", color=MUTED, ms=4, mew=0.8)
        write_estimate(axes, row, each.estimate)
    for label, variant in zip(axes.get_yticklabels(), shown, strict=True):
        label.set_fontweight("bold" if is_hrcam(variant.variant) else "normal")
    axes.set_xlabel("AUPRC, with 95 % interval", fontsize=TEXT_SIZE, color=INK, labelpad=5)
    write_title(figure, f"{summary.title}: localisation by each method")
    return figure


def ratio_figure(summaries: Sequence[CohortSummary]) -> Figure:
    """Plot, for each cohort, the ratio of the default map's AUPRC to that of the best rivals.

    Parameters
    ----------
    summaries
        Summaries, at least one with a rival.
    """
    rows: list[tuple[str, Estimate, str, str]] = []
    for one in summaries:
        for score, colour, marker in ((one.rival, RIVAL, "o"), (one.fused_rival, FUSED, "s")):
            if score is not None and score.ratio is not None:
                rows.append((f"{one.title}: {score.variant.name}", score.ratio, colour, marker))
    rows.reverse()
    names = [wrapped(name, LONGEST_NAME, TEXT_SIZE) for name, *_ in rows]
    figure, axes = rows_figure(names, top=0.5, row=1.5 * ROW)
    ends = [each.high or value_of(each) for _, each, _, _ in rows]
    axes.set_xlim(0, max(1.5, *ends) * 1.05)
    for place, style in ((1.0, "-"), (RATIO, "--")):
        axes.axvline(place, color=MUTED, lw=1, ls=style, zorder=1)
    axes.annotate(
        f"goal: {RATIO}", (RATIO, 1), xycoords=("data", "axes fraction"), xytext=(0, 3),
        textcoords="offset points", ha="center", fontsize=TICK_SIZE, color=MUTED,
    )  # fmt: skip
    for row, (_, ratio, colour, marker) in enumerate(rows):
        draw_interval(axes, row, ratio, colour, marker)
        write_estimate(axes, row, ratio)
    axes.set_xlabel(
        "Ratio of the AUPRC of the default HR-CAM pattern to that of the rival, with 95 % interval",
        fontsize=TEXT_SIZE, color=INK, labelpad=5,
    )  # fmt: skip
    return figure


def levels_figure(summary: CohortSummary) -> Figure | None:
    """Plot the AUPRC of every rival by level; None if no rival has levels."""
    by_method: dict[str, dict[str, Score]] = {}
    for variant, score in summary.scores["auprc"].items():
        if is_rival(variant) and variant.level:
            by_method.setdefault(variant.method, {})[variant.level] = score
    if not by_method:
        return None
    levels = list(dict.fromkeys(level for each in by_method.values() for level in each))
    figure = new_figure(WIDTH, 3.4)
    axes = figure.add_axes((0.08, 0.2, 0.62, 0.67))
    for index, (method, scores) in enumerate(by_method.items(), start=1):
        read = [level for level in levels if level in scores]
        means = [scores[level].mean for level in read]
        draw_curve(axes, index, [levels.index(level) for level in read], means, method)
    default = summary.score("auprc")
    if default is not None:
        axes.axhline(default.mean, color=OURS, lw=2, label="HR-CAM pattern (all levels)")
    axes.set_xlim(-0.3, len(levels) - 0.7)
    axes.set_ylim(0, 1)
    names = [wrapped(level, 0.62 * WIDTH / len(levels), TICK_SIZE) for level in levels]
    axes.set_xticks(range(len(levels)), names, parse_math=False)
    axes.set_xlabel("Level", fontsize=TEXT_SIZE, color=INK)
    axes.set_ylabel("AUPRC", fontsize=TEXT_SIZE, color=INK)
    finish(axes)
    legend(axes)
    write_title(figure, f"{summary.title}: rivals by level")
    return figure


_PROPERTIES: Mapping[Property, str] = {
    "lesion_share": "Size of the mask",
    "contrast": "Contrast of the mask",
}


def terciles_figure(summary: CohortSummary) -> Figure | None:
    """Plot AUPRC in terciles of the images; None if there are too few."""
    panels = {by: parts for by, parts in summary.terciles.items() if parts}
    if not panels:
        return None
    figure = new_figure(WIDTH, 3.0)
    width = 0.33
    for index, (by, parts) in enumerate(panels.items()):
        axes = figure.add_axes((0.08 + index * (width + 0.04), 0.17, width, 0.66))
        _terciles_panel(axes, parts)
        axes.set_title(_PROPERTIES[by], fontsize=TEXT_SIZE, color=INK)
        if index == 0:
            axes.set_ylabel("AUPRC", fontsize=TEXT_SIZE, color=INK)
        else:
            axes.set_yticklabels([])
    legend(axes)
    write_title(figure, f"{summary.title}: terciles by size and contrast")
    return figure


def _terciles_panel(axes: Axes, parts: Sequence[Tercile]) -> None:
    variants = list(parts[0].auprc)
    for number, variant in enumerate(variants):
        colour, marker = _look(variant)
        estimates = [part.auprc[variant] for part in parts]
        places = [index + 0.12 * (number - (len(variants) - 1) / 2) for index in range(len(parts))]
        for place, each in zip(places, estimates, strict=True):
            if each.low is not None and each.high is not None:
                axes.vlines(place, each.low, each.high, color=colour, lw=1.4)
        values = [value_of(each) for each in estimates]
        name = wrapped(variant.name, 1.2, TICK_SIZE)
        axes.plot(places, values, marker, ls="-", lw=0.8, ms=5, color=colour, label=name)
    axes.set_xticks(range(len(parts)), [part.name for part in parts])
    axes.set_ylim(0, 1)
    finish(axes)


def _look(variant: Variant) -> tuple[str, str]:
    if variant == DEFAULT:
        return OURS, "D"
    return (TOP, "^") if variant == UPPER_BOUND else (RIVAL, "o")


def _reference_lines(axes: Axes, scores: Mapping[Variant, Score]) -> None:
    """Draw the model-free maps as thin lines, and the best of them and the U-Net with names."""
    bounds = [score for variant, score in scores.items() if is_model_free(variant)]
    for score in bounds:
        axes.axvline(score.mean, color=MUTED, lw=0.6, ls=":", zorder=1)
    named = [(f"best model-free map ({max(bounds, key=_mean).variant.method})",
              max(bounds, key=_mean), MUTED)] if bounds else []  # fmt: skip
    if UPPER_BOUND in scores:
        named.append(
            (f"{UPPER_BOUND.method} {scores[UPPER_BOUND].mean:.2f}", scores[UPPER_BOUND], TOP)
        )
    for line, (name, score, colour) in enumerate(named):
        axes.axvline(score.mean, color=colour, lw=1.2, ls="--", zorder=1)
        axes.annotate(
            name, (score.mean, 1), xycoords=("data", "axes fraction"), xytext=(0, 3 + 10 * line),
            textcoords="offset points", ha="right" if score.mean > 0.5 else "left",
            fontsize=TICK_SIZE, color=colour,
        )  # fmt: skip


def _name(score: Score) -> str:
    return score.variant.name


def _mean(score: Score) -> float:
    return score.mean
