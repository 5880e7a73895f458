"""The AUC by the number of training subjects, and its extrapolation."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from hrcam.report.figures.style import ACCENT, INK, new_figure, with_scales

_SIZE = (4.8, 2.8)  # inches


def learning_figure(curve: Mapping[str, Any]) -> Figure:
    """Draw the measured AUC with intervals and, if it rises, the law to twice the subjects.

    Parameters
    ----------
    curve
        As ``learning-curve.json`` has it.

    Returns
    -------
    matplotlib.figure.Figure
        Beyond the measured numbers the law is dashed; its 95 % interval is a band.
    """
    figure = new_figure(*_SIZE)
    axes = figure.add_axes((0.13, 0.17, 0.84, 0.78), label="learning curve")
    axes.set_xscale("log")
    if curve["tells"]:
        x, auc, low, high = _columns(curve["fitted"])
        axes.fill_between(x, low, high, color=ACCENT, alpha=0.15, linewidth=0)
        largest = curve["measured"][-1]["subjects"]
        for part, style in ((x <= largest, "-"), (x >= x[x <= largest].max(), "--")):
            axes.plot(x[part], auc[part], style, color=ACCENT, linewidth=1.4)
    x, auc, low, high = _columns(curve["measured"])
    axes.vlines(x, low, high, color=INK, linewidth=1.0)
    axes.plot(x, auc, "o", color=INK, markersize=4)
    ticks = [*x, *([curve["twice"]["subjects"]] if curve["tells"] else [])]
    axes.set_xticks(ticks, [f"{tick:.0f}" for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    with_scales(axes, "Training subjects", "AUC")
    return figure


def _columns(points: Any) -> tuple[np.ndarray[Any, np.dtype[np.float64]], ...]:
    """Return numbers of subjects, AUC, and ends of the interval; NaN where there is none."""
    rows = [
        (each["subjects"], *(each["auc"][key] for key in ("value", "low", "high")))
        for each in points
    ]
    x, auc, low, high = np.array(rows, float).T
    return x, auc, low, high
