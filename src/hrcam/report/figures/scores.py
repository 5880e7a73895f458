"""The localisation table as a figure and as a table of the page."""

import pandas as pd
from matplotlib.figure import Figure

from hrcam.errors import InputError
from hrcam.evaluation.estimate import with_interval
from hrcam.report.figures.style import (
    ACCENT,
    INK,
    MUTED,
    RULE,
    TEXT_SIZE,
    TICK_SIZE,
    new_figure,
    text_width,
    wrapped,
)
from hrcam.report.page.content import Table

# Inches.
_LONGEST_NAME = 3.0
_EDGE = 0.2
_PLOT = 3.2
_VALUES = 1.45
_ROW = 0.27
_TOP = 0.12
_AXIS = 0.48


def score_figure(table: pd.DataFrame) -> Figure:
    """Plot each method's AUPRC as a dot with its interval, the best on top.

    Parameters
    ----------
    table
        As `hrcam.evaluation.table.localisation_table` makes it.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If the table has no row.
    """
    if table.empty:
        raise InputError("A score figure needs at least one method.")
    # Stable sort: methods with equal scores keep the table's order.
    ranked = table.sort_values("auprc", ascending=False, kind="stable").iloc[::-1]
    names = [wrapped(name, _LONGEST_NAME, TEXT_SIZE, lines=1) for name in ranked["method"]]
    left = _EDGE + max(text_width(name, TEXT_SIZE) for name in names)
    width, plot = left + _PLOT + _VALUES, _ROW * len(ranked)
    height = _TOP + plot + _AXIS
    figure = new_figure(width, height)
    axes = figure.add_axes((left / width, _AXIS / height, _PLOT / width, plot / height))

    positions = range(len(ranked))
    axes.hlines(positions, ranked["auprc_low"], ranked["auprc_high"], color=ACCENT, lw=1.6)
    axes.plot(ranked["auprc"], positions, "o", color=ACCENT, ms=5.5, mec="white", mew=0.9)
    for position, row in zip(positions, ranked.to_dict("records"), strict=True):
        interval = with_interval(row["auprc"], row["auprc_low"], row["auprc_high"])
        axes.annotate(
            interval,
            (1, position),
            xycoords=("axes fraction", "data"),
            xytext=(10, 0),
            textcoords="offset points",
            va="center",
            fontsize=TICK_SIZE,
            color=MUTED,
        )
    axes.set_xlim(0, 1)
    axes.set_ylim(-0.6, len(ranked) - 0.4)
    axes.set_yticks(positions, names, parse_math=False)
    axes.tick_params(axis="y", length=0, pad=8, labelsize=TEXT_SIZE, labelcolor=INK)
    axes.tick_params(axis="x", length=0, pad=5, labelsize=TICK_SIZE, labelcolor=MUTED)
    axes.set_xlabel("AUPRC, with 95 % interval", fontsize=TEXT_SIZE, color=INK, labelpad=5)
    axes.grid(axis="x", color=RULE, lw=0.7)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
    return figure


def score_table(table: pd.DataFrame) -> Table:
    """Format a localisation table for the page, each score with its interval.

    Parameters
    ----------
    table
        As `hrcam.evaluation.table.localisation_table` makes it.

    Returns
    -------
    hrcam.report.page.content.Table
    """
    rows = [
        (
            str(row["method"]),
            *(
                with_interval(row[score], row[f"{score}_low"], row[f"{score}_high"])
                for score in ("auprc", "pointing", "dice")
            ),
            str(row["images"]),
        )
        for row in table.to_dict("records")
    ]
    return Table(
        headers=("Method", "AUPRC", "Pointing game", "Dice", "Images"),
        rows=tuple(rows),
        numeric=(1, 2, 3, 4),
        caption="Mean over images, with 95 % bootstrap interval over subjects.",
    )
