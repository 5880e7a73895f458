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
_ROW = 0.38
_TOP = 0.12
_AXIS = 0.48
# Rows: how far the dots of the two stages are from that of their method.
_BESIDE = 0.2


def score_figure(table: pd.DataFrame) -> Figure:
    """Plot each method's AUPRC as read and refined with their intervals, the best on top.

    Parameters
    ----------
    table
        Columns ``method`` and ``stage`` ("as read" or "refined"), and those of
        `hrcam.evaluation.table.scores_table`.

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
    best = table.groupby("method", sort=False)["auprc"].max()
    # Stable sort: methods with equal scores keep the table's order.
    methods = best.sort_values(ascending=False, kind="stable").index[::-1].tolist()
    names = [wrapped(name, _LONGEST_NAME, TEXT_SIZE, lines=2) for name in methods]
    left = _EDGE + max(text_width(line, TEXT_SIZE) for name in names for line in name.split("\n"))
    width, plot = left + _PLOT + _VALUES, _ROW * len(methods)
    height = _TOP + plot + _AXIS
    figure = new_figure(width, height)
    axes = figure.add_axes((left / width, _AXIS / height, _PLOT / width, plot / height))

    for row in table.to_dict("records"):
        hollow = row["stage"] == "as read"
        position = methods.index(row["method"]) + (_BESIDE if hollow else -_BESIDE)
        axes.hlines(position, row["auprc_low"], row["auprc_high"], color=ACCENT, lw=1.6)
        face, edge = ("white", ACCENT) if hollow else (ACCENT, "white")
        axes.plot(row["auprc"], position, "o", mfc=face, mec=edge, ms=5.5, mew=0.9)
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
    axes.set_ylim(-0.6, len(methods) - 0.4)
    axes.set_yticks(range(len(methods)), names, parse_math=False)
    axes.tick_params(axis="y", length=0, pad=8, labelsize=TEXT_SIZE, labelcolor=INK)
    axes.tick_params(axis="x", length=0, pad=5, labelsize=TICK_SIZE, labelcolor=MUTED)
    axes.set_xlabel(
        "AUPRC, with 95 % interval (hollow: as read, filled: refined)",
        fontsize=TEXT_SIZE,
        color=INK,
        labelpad=5,
    )
    axes.grid(axis="x", color=RULE, lw=0.7)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
    return figure


def score_table(table: pd.DataFrame) -> Table:
    """Format scores for the page: one row for each method, as read and refined side by side.

    Parameters
    ----------
    table
        As for `score_figure`.

    Returns
    -------
    hrcam.report.page.content.Table
    """
    scores = {"auprc": "AUPRC", "pointing": "Pointing game", "dice": "Dice"}
    stages = list(dict.fromkeys(table["stage"]))
    by_method: dict[str, dict[str, str]] = {}
    for row in table.to_dict("records"):
        cells = by_method.setdefault(str(row["method"]), {})
        for score in scores:
            cells[f"{score}, {row['stage']}"] = with_interval(
                row[score], row[f"{score}_low"], row[f"{score}_high"]
            )
        cells["images"] = str(row["images"])
    columns = {
        f"{score}, {stage}": f"{title}, {stage}"
        for score, title in scores.items()
        for stage in stages
    } | {"images": "Images"}
    return Table(
        headers=("Method", *columns.values()),
        rows=tuple(
            (method, *(cells.get(column, "–") for column in columns))
            for method, cells in by_method.items()
        ),
        numeric=tuple(range(1, 1 + len(columns))),
        caption="Mean over images, with 95 % bootstrap interval over subjects.",
    )
