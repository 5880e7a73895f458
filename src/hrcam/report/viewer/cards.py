"""Cards of the viewer, for a scan or for a map of the whole cohort."""

import json
from collections.abc import Mapping
from math import floor, log10

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from hrcam.artifacts.overlay_scale import UNIT
from hrcam.artifacts.scan_record import ScanRecord
from hrcam.report.page.cohort_page import Bar, Card
from hrcam.report.page.text import count
from hrcam.report.viewer.group_maps import Difference, GroupMaps, MeanMap
from hrcam.report.viewer.packing import pack, quantise, script_json
from hrcam.report.viewer.page_grid import PageGrid
from hrcam.report.viewer.scan_view import ScanView

UNITS = {"pattern": UNIT, "evidence": "logit"}
# The colour scale of a t-like map ends at this percentile of its absolute values.
_T_PERCENTILE = 99.9
# Grey values below count as background, where the crosshair does not start.
_DARK = 32


def scan_card(record: ScanRecord, view: ScanView) -> Card:
    """Return the card of one scan."""
    notes = [view.note] if view.note else []
    if record.map_class != record.predicted:
        notes.append(f"The map is of “{record.map_class}”, not of the predicted class.")
    if record.seen_in_training:
        notes.append(
            "The networks were trained on this scan: its prediction is no evidence of accuracy."
        )
    if record.warnings:
        notes.append("The networks of this map have training warnings: see the top of the page.")
    if max(view.grid.blocks) > 1:
        blocks = " × ".join(map(str, view.grid.blocks))
        notes.append(f"Shown at a lower resolution ({blocks} voxels averaged) than in the files.")
    grid, samples = _encoded(view.grid, view.image, view.maps)
    return Card(
        title=record.scan,
        subtitle="" if record.participant == record.scan else record.participant,
        grid=grid,
        samples=samples,
        label=record.label or "",
        predicted=record.predicted,
        map_class=record.map_class,
        outcome=record.outcome,
        predictor=record.predictor,
        seen=record.seen_in_training,
        confidence=record.confidence,
        probabilities=tuple(
            Bar(name, f"{100 * value:.0f} %", 0, 100 * value)
            for name, value in record.probabilities.items()
        ),
        levels=signed_bars(record.level_contributions),
        notes=tuple(notes),
    )


def group_cards(group: GroupMaps) -> tuple[Card, ...]:
    """Return a card for each mean map, difference and score of it."""
    grid = group.grid
    if grid is None:
        return ()
    cards = [
        _group_card(_title(mean), mean.kind, mean.mean, grid, mean.image) for mean in group.means()
    ]
    for each in group.differences():
        inside, outside = each.scans
        subtitle = f"{each.of_class} ({inside}) − {' and '.join(each.others)} ({outside})"
        title = f"Difference, {each.kind} for {each.of_class}"
        cards.append(_group_card(title, each.kind, each.mean, grid, each.image, subtitle))
        cards.append(_score_card(each, grid, subtitle))
    return tuple(cards)


def _title(mean: MeanMap) -> str:
    return f"Mean of {count(mean.scans, 'scan')}: {mean.label}; {mean.kind} for {mean.of_class}"


def _group_card(
    title: str,
    kind: str,
    values: NDArray[np.float64],
    grid: PageGrid,
    image: NDArray[np.uint8] | None,
    subtitle: str = "",
) -> Card:
    encoded, samples = _encoded(grid, image, {kind: values.astype(np.float32)})
    return Card(title, encoded, samples, subtitle)


def _score_card(each: Difference, grid: PageGrid, subtitle: str) -> Card:
    maps = {each.kind: each.t.astype(np.float32)}
    limit = float(np.percentile(np.abs(each.t), _T_PERCENTILE)) or 1.0
    encoded, samples = _encoded(grid, each.image, maps, unit="t", limit=limit)
    title = f"t-like score of the difference, {each.kind} for {each.of_class}"
    return Card(title, encoded, samples, f"{subtitle}; colours end at t = ±{limit:.3g}")


def _encoded(
    grid: PageGrid,
    image: NDArray[np.uint8] | None,
    maps: Mapping[str, NDArray[np.float32]],
    unit: str = "",
    limit: float | None = None,
) -> tuple[str, Markup]:
    """Return the JSON of the grid and that of the samples."""
    samples: dict[str, str | None] = {"image": None if image is None else pack(image)}
    described = {}
    for kind, values in maps.items():
        steps, step = quantise(values)
        samples[kind] = pack(steps)
        described[kind] = {"step": step, "unit": unit or UNITS[kind], "limit": limit}
    first = next(iter(maps.values()))
    content = {
        "shape": first.shape,
        "spacing": grid.spacing,
        "affine": grid.page_affine.round(5).tolist(),
        "millimetres": grid.affine is not None,
        "start": _start(image, first),
        "maps": described,
    }
    return json.dumps(content, allow_nan=False), script_json(samples)


def _start(image: NDArray[np.uint8] | None, values: NDArray[np.float32]) -> list[int]:
    """Return the position of the maximum of a map outside the dark background."""
    dark = np.zeros(values.shape, bool) if image is None else image < _DARK
    inside = values if dark.all() else np.where(dark, -np.inf, values)
    return [int(index) for index in np.unravel_index(int(inside.argmax()), values.shape)]


def signed_bars(values: Mapping[str, float]) -> tuple[Bar, ...]:
    """Return bars from the middle; the largest has half the width and three digits."""
    largest = max(map(abs, values.values()), default=0) or 1.0
    decimals = min(9, max(0, 2 - floor(log10(largest))))
    bars = []
    for name, value in values.items():
        width = 50 * abs(value) / largest
        # Adding zero turns the -0.0 of rounding into 0.0.
        text = f"{round(value, decimals) + 0.0:+.{decimals}f}".replace("-", "−")
        bars.append(Bar(name, text, 50 if value >= 0 else 50 - width, width, value < 0))
    return tuple(bars)
