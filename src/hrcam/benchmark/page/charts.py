"""Elements of the figures of a benchmark: rows with intervals, curves and colours."""

from collections.abc import Sequence

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hrcam.benchmark.summary.ranking import value_of
from hrcam.evaluation.estimate import Estimate, with_interval
from hrcam.report.figures.style import (
    INK,
    MUTED,
    RULE,
    TEXT_SIZE,
    TICK_SIZE,
    TITLE_SIZE,
    new_figure,
    text_width,
    wrapped,
)

WIDTH = 7.4
"""Inches: as wide as the page."""

OURS, RIVAL, FUSED, TOP = "#0072b2", "#d55e00", "#cc79a7", "#009e73"
"""Colour-blind safe colours (Okabe and Ito, 2008)."""

_CURVES = (
    (OURS, "D"), (RIVAL, "o"), (TOP, "s"), (FUSED, "^"), ("#e69f00", "v"), ("#56b4e9", "P"),
    ("#000000", "X"), ("#8c6d31", "*"), ("#7f7f7f", "<"),
)  # fmt: skip
# Markers differ too.

LONGEST_NAME = 2.7
"""Inches of a label to the left of a row."""

ROW = 0.25
"""Inches from row to row."""

_VALUES = 1.4
_AXIS = 0.5


def rows_figure(names: Sequence[str], top: float, row: float = ROW) -> tuple[Figure, Axes]:
    """Make a figure with one row for each name, the first at the bottom."""
    lines = (line for name in names for line in name.split("\n"))
    left = 0.2 + max(text_width(line, TEXT_SIZE) for line in lines)
    rows = row * len(names)
    height = top + rows + _AXIS
    figure = new_figure(WIDTH, height)
    axes = figure.add_axes(
        (left / WIDTH, _AXIS / height, (WIDTH - left - _VALUES) / WIDTH, rows / height)
    )
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.set_yticks(range(len(names)), names, parse_math=False)
    finish(axes)
    axes.tick_params(axis="y", pad=8, labelsize=TEXT_SIZE, labelcolor=INK)
    axes.grid(visible=False, axis="y")
    return figure, axes


def draw_interval(
    axes: Axes,
    row: float,
    estimate: Estimate,
    colour: str,
    marker: str,
    *,
    thick: bool = False,
    hollow: bool = False,
) -> None:
    """Draw a value in its row, with its interval if there is one."""
    if estimate.low is not None and estimate.high is not None:
        axes.hlines(row, estimate.low, estimate.high, color=colour, lw=2.6 if thick else 1.6)
    size = 7 if thick else 5.5
    face, edge = ("white", colour) if hollow else (colour, "white")
    axes.plot(value_of(estimate), row, marker, mfc=face, mec=edge, ms=size, mew=0.9)


def write_estimate(axes: Axes, row: float, estimate: Estimate) -> None:
    """Write a value to the right of its row."""
    axes.annotate(
        with_interval(estimate.value, estimate.low, estimate.high),
        (1, row), xycoords=("axes fraction", "data"), xytext=(10, 0), textcoords="offset points",
        va="center", fontsize=TICK_SIZE, color=MUTED,
    )  # fmt: skip


def finish(axes: Axes) -> None:
    """Apply the common style to axes: a light grid, no frame."""
    axes.tick_params(length=0, pad=5, labelsize=TICK_SIZE, labelcolor=MUTED)
    axes.grid(color=RULE, lw=0.7)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)


def legend(axes: Axes, *others: Axes) -> None:
    """Draw a legend of all curves to the right of the axes."""
    curves: dict[str, Artist] = {}
    for each in (axes, *others):
        lines, names = each.get_legend_handles_labels()
        curves |= {str(name): line for name, line in zip(names, lines, strict=True)}
    box = axes.legend(
        list(curves.values()),
        list(curves),
        loc="center left",
        bbox_to_anchor=(1.02, 0.5),
        frameon=False,
        fontsize=TICK_SIZE,
    )
    for text in box.get_texts():
        text.set_parse_math(False)


def write_title(figure: Figure, text: str) -> None:
    """Write the title of a figure."""
    top = 1 - 0.08 / figure.get_figheight()
    figure.text(
        0.1 / WIDTH, top, wrapped(text, WIDTH - 0.2, TITLE_SIZE, lines=1), va="top",
        fontsize=TITLE_SIZE, color=INK, fontweight="bold", parse_math=False,
    )  # fmt: skip


def draw_curve(axes: Axes, index: int, x: Sequence[float], y: Sequence[float], name: str) -> None:
    """Draw a curve with the colour and marker of its index; 0 is HR-CAM."""
    colour, marker = _CURVES[index % len(_CURVES)]
    label = wrapped(name, 1.5, TICK_SIZE)
    axes.plot(x, y, color=colour, marker=marker, lw=1.3, ms=4.5, label=label)
