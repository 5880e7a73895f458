"""What all figures share: their look, without matplotlib's global state, and their files."""

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
    """Make an empty white figure, in inches, that pyplot knows nothing of."""
    figure = Figure(figsize=(width, height), facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def bare(axes: Axes) -> None:
    """Take away ticks and frame."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def text_width(text: str, size: float) -> float:
    """Bound the width of one line of ordinary text, in inches."""
    return len(text) * _CHARACTER * size / 72


def wrapped(text: str, inches: float, size: float, lines: int = 2) -> str:
    """Break a text into lines that fit a width, and end it with an ellipsis where it does not."""
    # A file name that is not UTF-8 reaches us as lone surrogates, which no font can draw.
    text = text.encode("utf-8", "replace").decode("utf-8")
    characters = max(4, int(inches / text_width(" ", size)))
    return "\n".join(textwrap.wrap(text, characters, max_lines=lines, placeholder="…"))


def png(figure: Figure, dpi: float = 200) -> bytes:
    """Render a figure as PNG; the same figure gives the same bytes."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=dpi, metadata={"Software": None})
    return stream.getvalue()


def save_png(figure: Figure, path: str | os.PathLike[str], dpi: float = 200) -> Path:
    """Write a figure as PNG, whole or not at all.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    return write_atomically(path, png(figure, dpi))
