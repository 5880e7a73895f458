"""The common style of all figures, without matplotlib's global state, and PNG files."""

import io
import os
import textwrap
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from hrcam.artifacts.atomic import write_atomically

INK = "#1f2933"
MUTED = "#66717d"
RULE = "#dde2e7"
ACCENT = "#1f5fa8"

TITLE_SIZE = 9.0
TEXT_SIZE = 8.0
TICK_SIZE = 7.0

# Width of a character of the default font over its size, on average and a little more.
_CHARACTER = 0.6


def new_figure(width: float, height: float) -> Figure:
    """Make an empty white figure of a size in inches, independent of pyplot."""
    figure = Figure(figsize=(width, height), facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def bare(axes: Axes) -> None:
    """Remove ticks and frame."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def with_scales(axes: Axes, x: str, y: str) -> None:
    """Draw the left and lower scale, titled, and a grid in the common colours."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(RULE)
    axes.set_xlabel(x, fontsize=TEXT_SIZE, color=INK)
    axes.set_ylabel(y, fontsize=TEXT_SIZE, color=INK)
    axes.tick_params(labelsize=TICK_SIZE, labelcolor=MUTED, color=RULE)
    axes.grid(color=RULE, linewidth=0.5)


def text_width(text: str, size: float) -> float:
    """Return an upper bound of the width of one line of text, in inches."""
    return len(text) * _CHARACTER * size / 72


def wrapped(text: str, inches: float, size: float, lines: int = 2) -> str:
    """Wrap a text to a width, with an ellipsis if it has too many lines."""
    # File names that are not UTF-8 contain lone surrogates, which no font can draw.
    text = text.encode("utf-8", "replace").decode("utf-8")
    characters = max(4, int(inches / text_width(" ", size)))
    return "\n".join(textwrap.wrap(text, characters, max_lines=lines, placeholder="…"))


def png(figure: Figure, dpi: float = 200) -> bytes:
    """Render a figure as PNG; the same figure gives the same bytes."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=dpi, metadata={"Software": None})
    return stream.getvalue()


def save_png(figure: Figure, path: str | os.PathLike[str], dpi: float = 200) -> Path:
    """Write a figure atomically as PNG.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    return write_atomically(path, png(figure, dpi))
