"""The losses of a training by epoch."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from hrcam.artifacts.run_tables import EpochLosses
from hrcam.report.figures.style import ACCENT, TEXT_SIZE, new_figure, with_scales

_VALIDATION = "#c4570b"
_SIZE = (6.4, 2.6)  # inches


def loss_figure(folds: Sequence[Sequence[EpochLosses]]) -> Figure:
    """Draw the training loss of each fold over its epochs, and the validation loss if there is one.

    Parameters
    ----------
    folds
        Epochs of each fold, in order.

    Returns
    -------
    matplotlib.figure.Figure
        A dot is at the lowest validation loss of each fold.
    """
    figure = new_figure(*_SIZE)
    axes = figure.add_axes((0.09, 0.17, 0.89, 0.72), label="losses")
    width = 1.2 if len(folds) <= 10 else 0.6
    for fold in folds:
        epochs = [one.epoch for one in fold]
        axes.plot(epochs, [one.loss for one in fold], color=ACCENT, linewidth=width, alpha=0.7)
        validation = [
            np.nan if one.validation_loss is None else one.validation_loss for one in fold
        ]
        axes.plot(epochs, validation, color=_VALIDATION, linewidth=width, alpha=0.7)
        if best := lowest(fold):
            place = epochs.index(best.epoch)
            axes.plot(best.epoch, validation[place], "o", color=_VALIDATION, markersize=3.5)
    axes.set_yscale("log")  # a peak while the learning rate is high would hide the rest
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    with_scales(axes, "Epoch", "Loss (logarithmic)")
    lines = [("validation", _VALIDATION)] if any(map(lowest, folds)) else []
    # Above the axes, where no line crosses the words.
    for right, (text, colour) in zip((1.0, 0.86), [*lines, ("training", ACCENT)], strict=False):
        axes.text(
            *(right, 1.03, text),
            transform=axes.transAxes,
            ha="right",
            va="bottom",
            fontsize=TEXT_SIZE,
            color=colour,
        )
    return figure


def lowest(fold: Sequence[EpochLosses]) -> EpochLosses | None:
    """Return the epoch with the lowest validation loss, whose weights are kept; None without."""
    validated = [one for one in fold if one.validation_loss is not None]
    return min(validated, key=lambda one: one.validation_loss or 0.0, default=None)
