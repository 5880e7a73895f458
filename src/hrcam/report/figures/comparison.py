"""Maps of several methods over the images of several subjects, in one figure."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from hrcam.errors import InputError
from hrcam.report.figures.colour import Scale
from hrcam.report.figures.planes import Plane, Row, shown_plane
from hrcam.report.figures.style import (
    INK,
    MUTED,
    TEXT_SIZE,
    TICK_SIZE,
    TITLE_SIZE,
    bare,
    new_figure,
    wrapped,
)

# Inches.
_PANEL = 1.6
_GAP = 0.06
_LABEL = 0.4
_TITLE_LINE = 0.16
_SCALE = 0.36
_EDGE = 0.08


def comparison_figure(rows: Sequence[Row], *, limits: Mapping[str, float] | None = None) -> Figure:
    """Draw one row per subject: the image, then each method's map over it, with the true outline.

    A method has one colour scale for all rows: symmetric about zero if any of its maps has a
    negative value, else from zero. Its limit is the largest absolute value shown, so that maps of
    normal and diseased images can be compared. Volumes are shown in the axial plane with the
    largest true area, or without truth with the maximum of the first method's map, in radiological
    convention (the subject's right is on the left).

    Parameters
    ----------
    rows
        The subjects, all with the same methods in the same order.
    limits
        Limit of a method's colour scale, instead of the largest value shown; pass those of the
        whole cohort if all rows may be normal.

    Returns
    -------
    matplotlib.figure.Figure
        Axes are labelled ``image 0``, ``<method> 0``, ... row by row, then ``<method> scale``.

    Raises
    ------
    InputError
        If there is no row, the methods differ between rows, or a limit is of no method or not
        above zero.
    """
    methods = _methods(rows)
    planes = [shown_plane(row) for row in rows]
    scales = {method: _scale(method, rows, planes) for method in methods}
    for method, limit in (limits or {}).items():
        if method not in scales or not limit > 0:
            raise InputError(
                f"A limit of {limit} for {method!r}: it must be above 0, for {methods}."
            )
        scales[method] = Scale(scales[method].signed, limit)

    heights = [_PANEL * plane.height for plane in planes]
    width = _LABEL + (1 + len(methods)) * (_PANEL + _GAP) - _GAP + _EDGE
    titles = [wrapped(title, _PANEL, TITLE_SIZE) for title in ("Image", *methods)]
    title_height = _TITLE_LINE * max(1 + title.count("\n") for title in titles) + 2 * _EDGE
    height = title_height + sum(heights) + _GAP * (len(rows) - 1) + (_SCALE if methods else _EDGE)
    figure = new_figure(width, height)

    def add_axes(label: str, left: float, top: float, wide: float, high: float) -> Axes:
        bounds = (left / width, 1 - (top + high) / height, wide / width, high / height)
        axes = figure.add_axes(bounds, label=label)
        bare(axes)
        return axes

    lefts = [_LABEL + column * (_PANEL + _GAP) for column in range(1 + len(methods))]
    for left, title in zip(lefts, titles, strict=True):
        figure.text(
            (left + _PANEL / 2) / width,
            1 - (title_height - _EDGE) / height,
            title,
            **_text(TITLE_SIZE, INK, va="baseline"),
        )
    top = title_height
    for index, (row, plane, high) in enumerate(zip(rows, planes, heights, strict=True)):
        figure.text(
            (_LABEL / 2 - 0.02) / width,
            1 - (top + high / 2) / height,
            wrapped(row.label, high, TEXT_SIZE),
            **_text(TEXT_SIZE, INK, rotation=90),
        )
        axes = add_axes(f"image {index}", lefts[0], top, _PANEL, high)
        _draw_image(axes, plane)
        if plane.axial:
            _mark_sides(axes)
        for left, method in zip(lefts[1:], methods, strict=True):
            axes = add_axes(f"{method} {index}", left, top, _PANEL, high)
            _draw_image(axes, plane, plane.maps[method], scales[method])
        top += high + _GAP
    for left, method in zip(lefts[1:], methods, strict=True):
        axes = add_axes(f"{method} scale", left + 0.12 * _PANEL, top + 0.03, 0.76 * _PANEL, 0.08)
        _draw_scale(axes, scales[method])
    return figure


def _methods(rows: Sequence[Row]) -> list[str]:
    if not rows:
        raise InputError("A comparison needs at least one row.")
    methods = list(rows[0].maps)
    for row in rows:
        if list(row.maps) != methods:
            raise InputError(f"{row.label} has maps of {list(row.maps)}, not of {methods}.")
    return methods


def _scale(method: str, rows: Sequence[Row], planes: Sequence[Plane]) -> Scale:
    largest = max(float(np.abs(plane.maps[method]).max()) for plane in planes)
    # The limit is arbitrary if all maps are zero.
    return Scale(any(row.maps[method].min() < 0 for row in rows), largest or 1.0)


def _draw_image(
    axes: Axes, plane: Plane, values: NDArray[Any] | None = None, scale: Scale | None = None
) -> None:
    dark, bright = np.percentile(plane.image, (0.5, 99.5))
    axes.imshow(plane.image, cmap="gray", vmin=dark, vmax=bright, aspect=plane.aspect)
    if values is not None and scale is not None:
        low, high = scale.range
        axes.imshow(values, cmap=scale.colormap, vmin=low, vmax=high, aspect=plane.aspect)
    if plane.truth is not None:
        axes.set_autoscale_on(False)
        # Padded, so that the outline closes where the truth touches the border.
        padded = np.pad(plane.truth, 1).astype(float)
        y, x = (np.arange(-1, size + 1) for size in plane.truth.shape)
        outline = axes.contour(x, y, padded, levels=[0.5], colors="white", linewidths=0.8)
        outline.set_path_effects([withStroke(linewidth=1.8, foreground="black")])


def _mark_sides(axes: Axes) -> None:
    for letter, x in (("R", 0.05), ("L", 0.95)):
        mark = axes.text(x, 0.5, letter, transform=axes.transAxes, **_text(TICK_SIZE, "white"))
        mark.set_path_effects([withStroke(linewidth=1.5, foreground="black")])


def _draw_scale(axes: Axes, scale: Scale) -> None:
    low, high = scale.range
    # Mid-grey, so that transparency is visible as over an image.
    axes.set_facecolor("#5a5a5a")
    gradient = np.linspace(low, high, 512)[None]
    extent = (low, high, 0.0, 1.0)
    axes.imshow(gradient, cmap=scale.colormap, extent=extent, aspect="auto")
    ticks = sorted({low, 0.0, high})
    axes.set_xticks(ticks, [_number(tick) for tick in ticks])
    axes.tick_params(axis="x", length=0, pad=2.5, labelsize=TICK_SIZE, labelcolor=MUTED)


def _number(value: float) -> str:
    return f"{value:.2g}".replace("-", "−")


def _text(size: float, colour: str, rotation: float = 0, va: str = "center") -> dict[str, Any]:
    """Return the style of centred text, in which names are not parsed as formulas."""
    return {
        "fontsize": size,
        "color": colour,
        "ha": "center",
        "va": va,
        "rotation": rotation,
        "linespacing": 1.15,
        "parse_math": False,
    }
