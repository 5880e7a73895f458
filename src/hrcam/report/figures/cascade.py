"""The similarity of maps in a cascading randomisation, as a figure."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from hrcam.report.figures.style import ACCENT, INK, MUTED, RULE, TEXT_SIZE, TICK_SIZE, new_figure

# As wide as the comparison figure, so that text has the same size on the page.
_WIDTH, _HEIGHT = 8.4, 2.3


def cascade_figure(points: Sequence[tuple[float, float]], limit: float) -> Figure:
    """Plot the similarity with the original map against the fraction of randomised layers.

    Parameters
    ----------
    points
        Fraction of randomised layers, from 0 to 1, and SSIM.
    limit
        Upper limit for the last point.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = new_figure(_WIDTH, _HEIGHT)
    axes = figure.add_axes((0.07, 0.22, 0.91, 0.72))
    shares, values = zip(*((100 * share, value) for share, value in points), strict=True)
    axes.axhline(limit, color=MUTED, lw=0.9, ls="--")
    axes.annotate(
        f"limit for the last point: {limit:.2f}",
        (100, limit),
        xytext=(0, 3),
        textcoords="offset points",
        ha="right",
        fontsize=TICK_SIZE,
        color=MUTED,
    )
    axes.plot(shares, values, "o-", color=ACCENT, lw=1.6, ms=4.5)
    axes.set_xlim(-3, 103)
    axes.set_ylim(min(0.0, *values) - 0.05, 1.05)
    axes.set_xticks(range(0, 101, 25))
    axes.tick_params(length=0, pad=4, labelsize=TICK_SIZE, labelcolor=MUTED)
    axes.set_xlabel("Randomised layers, %", fontsize=TEXT_SIZE, color=INK)
    axes.set_ylabel("Similarity (SSIM)", fontsize=TEXT_SIZE, color=INK)
    axes.grid(color=RULE, lw=0.7)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
    return figure
