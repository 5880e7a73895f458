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
    is_hrcam,
    is_model_free,
    is_rival,
    shown_settings,
    value_of,
)
from hrcam.benchmark.summary.terciles import Property, Tercile
from hrcam.benchmark.variant import Stage, Variant
from hrcam.evaluation.estimate import Estimate
from hrcam.report.figures.style import INK, MUTED, TEXT_SIZE, TICK_SIZE, new_figure, wrapped

# The row of each stage beside that of its method.
_PLACES = {Stage.AS_READ: 0.18, Stage.REFINED: -0.18}


def auprc_figure(summary: CohortSummary) -> Figure:
    """Plot each method's AUPRC as read and refined with their intervals, the best on top.

    Rivals are shown at the levels and with the fusions that are best at either stage. Lines are the
    U-Net and the best model-free map; small ticks are the means of single seeds.

    Parameters
    ----------
    summary
        Summary of a cohort with AUPRC.
    """
    scores = summary.scores["auprc"]
    shown = [
        setting
        for setting in shown_settings(scores)
        if not is_model_free(setting) and setting != UPPER_BOUND
    ]
    shown.reverse()
    names = [wrapped(setting.setting, LONGEST_NAME, TEXT_SIZE, lines=1) for setting in shown]
    figure, axes = rows_figure(names, top=0.65, row=1.4 * ROW)
    axes.set_xlim(0, 1)
    _reference_lines(axes, scores)
    for row, setting in enumerate(shown):
        colour = OURS if is_hrcam(setting) else FUSED if setting.fusion else RIVAL
        marker = "D" if is_hrcam(setting) else "s" if setting.fusion else "o"
        for stage, place in _PLACES.items():
            each = scores.get(setting.at(stage))
            if each is None:
                continue
            at, hollow = row + place, stage == Stage.AS_READ
            draw_interval(
                axes, at, each.estimate, colour, marker, thick=setting == DEFAULT, hollow=hollow
            )
            if len(each.by_seed) > 1:
                axes.plot(
                    each.by_seed, [at - 0.17] * len(each.by_seed), "|", color=MUTED, ms=3, mew=0.8
                )
            write_estimate(axes, at, each.estimate)
    for label, setting in zip(axes.get_yticklabels(), shown, strict=True):
        label.set_fontweight("bold" if is_hrcam(setting) else "normal")
    axes.set_xlabel(
        "AUPRC, with 95 % interval (hollow: as read, filled: refined)",
        fontsize=TEXT_SIZE, color=INK, labelpad=5,
    )  # fmt: skip
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
        for stage in Stage:
            for fused, colour, marker in ((False, RIVAL, "o"), (True, FUSED, "s")):
                score = one.rival(stage, fused=fused)
                if score is not None and score.ratio is not None:
                    name = f"{one.title}, {stage}: {score.variant.setting}"
                    rows.append((name, score.ratio, colour, marker))
    rows.reverse()
    names = [wrapped(name, LONGEST_NAME, TEXT_SIZE) for name, *_ in rows]
    figure, axes = rows_figure(names, top=0.5, row=1.5 * ROW)
    ends = [each.high or value_of(each) for _, each, _, _ in rows]
    axes.set_xlim(0, max(1.5, *ends) * 1.05)
    axes.axvline(RATIO, color=MUTED, lw=1, zorder=1)
    for row, (_, ratio, colour, marker) in enumerate(rows):
        draw_interval(axes, row, ratio, colour, marker)
        write_estimate(axes, row, ratio)
    axes.set_xlabel(
        "Ratio of the AUPRC of the HR-CAM pattern to that of the rival, with 95 % interval",
        fontsize=TEXT_SIZE, color=INK, labelpad=5,
    )  # fmt: skip
    return figure


def levels_figure(summary: CohortSummary) -> Figure | None:
    """Plot the AUPRC of every rival by level, as read and refined; None if no rival has levels."""
    by_stage: dict[Stage, dict[str, dict[str, Score]]] = {stage: {} for stage in Stage}
    for variant, score in summary.scores["auprc"].items():
        if is_rival(variant) and variant.level:
            of_method = by_stage[variant.stage].setdefault(variant.method, {})
            of_method[variant.level] = score
    methods = list(dict.fromkeys(method for each in by_stage.values() for method in each))
    if not methods:
        return None
    levels = list(
        dict.fromkeys(
            level for each in by_stage.values() for scores in each.values() for level in scores
        )
    )
    figure = new_figure(WIDTH, 3.4)
    panels = []
    for panel, (stage, by_method) in enumerate(by_stage.items()):
        axes = figure.add_axes((0.08 + 0.33 * panel, 0.2, 0.31, 0.62))
        for index, method in enumerate(methods, start=1):
            scores = by_method.get(method, {})
            read = [level for level in levels if level in scores]
            means = [scores[level].mean for level in read]
            draw_curve(axes, index, [levels.index(level) for level in read], means, method)
        default = summary.score("auprc", DEFAULT.at(stage))
        if default is not None:
            axes.axhline(default.mean, color=OURS, lw=2, label="HR-CAM pattern (all levels)")
        axes.set_xlim(-0.3, len(levels) - 0.7)
        axes.set_ylim(0, 1)
        names = [wrapped(level, 0.31 * WIDTH / len(levels), TICK_SIZE) for level in levels]
        axes.set_xticks(range(len(levels)), names, parse_math=False)
        axes.set_xlabel("Level", fontsize=TEXT_SIZE, color=INK)
        axes.set_title(str(stage), fontsize=TEXT_SIZE, color=INK)
        finish(axes)
        panels.append(axes)
    panels[0].set_ylabel("AUPRC", fontsize=TEXT_SIZE, color=INK)
    panels[1].set_yticklabels([])
    legend(panels[1], panels[0])
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
        line, face = ("--", "white") if variant.stage == Stage.AS_READ else ("-", colour)
        estimates = [part.auprc[variant] for part in parts]
        places = [index + 0.12 * (number - (len(variants) - 1) / 2) for index in range(len(parts))]
        for place, each in zip(places, estimates, strict=True):
            if each.low is not None and each.high is not None:
                axes.vlines(place, each.low, each.high, color=colour, lw=1.4)
        values = [value_of(each) for each in estimates]
        name = wrapped(variant.name, 1.2, TICK_SIZE)
        axes.plot(places, values, marker, ls=line, lw=0.8, ms=5, color=colour, mfc=face, label=name)
    axes.set_xticks(range(len(parts)), [part.name for part in parts])
    axes.set_ylim(0, 1)
    finish(axes)


def _look(variant: Variant) -> tuple[str, str]:
    if variant.method == DEFAULT.method:
        return OURS, "D"
    return (TOP, "^") if variant.method == UPPER_BOUND.method else (RIVAL, "o")


def _reference_lines(axes: Axes, scores: Mapping[Variant, Score]) -> None:
    """Draw the best model-free map and the best of the U-Net's as lines, with names."""
    kinds = (
        ("best model-free map", MUTED, is_model_free),
        ("", TOP, lambda variant: variant.method == UPPER_BOUND.method),
    )
    for line, (title, colour, is_of) in enumerate(kinds):
        best = max(
            (score for variant, score in scores.items() if is_of(variant)), key=_mean, default=None
        )
        if best is None:
            continue
        name = f"{title} ({best.variant.name})" if title else f"{best.variant.name} {best.mean:.2f}"
        axes.axvline(best.mean, color=colour, lw=1.2, ls="--", zorder=1)
        axes.annotate(
            name, (best.mean, 1), xycoords=("data", "axes fraction"), xytext=(0, 3 + 10 * line),
            textcoords="offset points", ha="right" if best.mean > 0.5 else "left",
            fontsize=TICK_SIZE, color=colour,
        )  # fmt: skip


def _mean(score: Score) -> float:
    return score.mean
