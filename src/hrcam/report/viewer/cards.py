"""Cards of the viewer, for a scan or for a map of the whole cohort."""

import json
from collections.abc import Mapping, Sequence
from math import floor, log10
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hrcam.artifacts.overlay_scale import UNIT
from hrcam.artifacts.scan_input import ScanInput
from hrcam.artifacts.scan_record import ScanRecord
from hrcam.report.page.cohort_page import Bar, Card
from hrcam.report.page.text import count
from hrcam.report.viewer.group_maps import Difference, GroupMaps, MeanMap
from hrcam.report.viewer.packing import pack, quantise
from hrcam.report.viewer.page_grid import PageGrid
from hrcam.report.viewer.scan_view import ScanView

UNITS = {"pattern": UNIT, "evidence": "logit"}
# The colour scale of a t-like map ends at this percentile of its absolute values.
_T_PERCENTILE = 99.9
# Values below this share of the window count as background, where the crosshair does not start.
_DARK = 1 / 8


def scan_card(records: Sequence[ScanRecord], views: Sequence[ScanView]) -> Card:
    """Return the card of one scan.

    Parameters
    ----------
    records, views
        Its maps for each class; those that are shown at first come first.
    """
    record, view = records[0], views[0]
    notes = [view.note] if view.note else []
    if record.findings is not None:
        notes.append(f"Findings in the map for “{record.map_class}”: {record.findings.statement}.")
    if record.input is not None:
        notes += _seen(record, record.input)
    prediction = record.prediction
    if prediction.exclusive and record.map_class != prediction.text:
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
    by_class = {each.map_class: one for each, one in zip(records, views, strict=True)}
    grid, layers = _encoded(by_class, units_of(prediction.target))
    return Card(
        title=record.scan,
        subtitle="" if record.participant == record.scan else record.participant,
        grid=grid,
        layers=layers,
        label=record.label or "",
        predicted=prediction.text,
        map_class=record.map_class,
        outcome=record.outcome,
        predictor=record.predictor,
        seen=record.seen_in_training,
        confidence=prediction.confidence,
        probabilities=tuple(
            Bar(name, f"{100 * value:.0f} %", 0, 100 * value)
            for name, value in prediction.probabilities.items()
        ),
        levels={each.map_class: signed_bars(each.level_contributions) for each in records},
        warning=_warning(record.input),
        notes=tuple(notes),
        sided=view.grid.affine is not None,
    )


def _warning(seen: ScanInput | None) -> str:
    if seen is None or not seen.reasons:
        return ""
    return f"Do not trust this map. The scan is {seen.statement}."


def _seen(record: ScanRecord, seen: ScanInput) -> list[str]:
    """Say what the network saw of a scan, if not all of it as it is."""
    notes = [seen.seen] if seen.seen else []
    sizes, spacing = seen.voxel_size, record.grid_spacing
    if sizes is not None and spacing is not None and not np.allclose(sizes, spacing, rtol=0.01):
        voxels, steps = (" × ".join(f"{side:.3g}" for side in each) for each in (sizes, spacing))
        notes.append(f"Resampled for the network from voxels of {voxels} mm to {steps} mm.")
    if not seen.reasons and seen.comparison:
        notes.append(f"The scan was {seen.statement}.")
    return notes


def units_of(target: str | None) -> Mapping[str, str]:
    """Return the unit of each kind of map; evidence for a value is in units of the value."""
    return UNITS if target is None else {**UNITS, "evidence": target}


def group_cards(group: GroupMaps, units: Mapping[str, str] = UNITS) -> tuple[Card, ...]:
    """Return a card for each mean map, difference and score of it; units are of each kind."""
    grid = group.grid
    if grid is None:
        return ()
    cards = []
    for mean in group.means():
        view = ScanView(grid, mean.image, {mean.kind: mean.mean.astype(np.float32)})
        cards.append(_group_card(_title(mean), mean.of_class, view, units))
    for each in group.differences():
        inside, outside = each.scans
        subtitle = f"{each.of_class} ({inside}) − {' and '.join(each.others)} ({outside})"
        title = f"Difference, {each.kind} for {each.of_class}"
        view = ScanView(grid, each.image, {each.kind: each.mean.astype(np.float32)})
        cards.append(_group_card(title, each.of_class, view, units, subtitle))
        cards.append(_score_card(each, grid, subtitle))
    return tuple(cards)


def _title(mean: MeanMap) -> str:
    return f"Mean of {count(mean.scans, 'scan')}: {mean.label}; {mean.kind} for {mean.of_class}"


def _group_card(
    title: str,
    of_class: str,
    view: ScanView,
    units: Mapping[str, str],
    subtitle: str = "",
    limit: float | None = None,
) -> Card:
    grid, layers = _encoded({of_class: view}, units, limit)
    return Card(
        title,
        grid,
        layers,
        subtitle,
        map_class=of_class,
        sided=view.grid.affine is not None,
    )


def _score_card(each: Difference, grid: PageGrid, subtitle: str) -> Card:
    limit = float(np.percentile(np.abs(each.t), _T_PERCENTILE)) or 1.0
    view = ScanView(grid, each.image, {each.kind: each.t.astype(np.float32)})
    title = f"t-like score of the difference, {each.kind} for {each.of_class}"
    subtitle = f"{subtitle}; colours end at t = ±{limit:.3g}"
    return _group_card(title, each.of_class, view, {each.kind: "t"}, subtitle, limit)


def _encoded(
    views: Mapping[str, ScanView], units: Mapping[str, str], limit: float | None = None
) -> tuple[str, dict[str, str]]:
    """Return the JSON of the grid, and the layers, of the maps for some classes."""
    view = next(iter(views.values()))
    first = next(iter(view.maps.values()))
    layers: dict[str, str] = {}
    if view.image is not None:
        layers["image"] = pack(view.image)
    if view.truth is not None:
        layers["truth"] = pack(view.truth.astype(np.uint8))
    if view.box is not None:
        layers["grid"] = pack(view.box.astype(np.uint8))
    described: dict[str, dict[str, Any]] = {}
    for name, one in views.items():
        if one.findings is not None:
            layers[f"findings:{name}"] = pack(one.findings.astype(np.uint8))
        for kind, values in one.maps.items():
            samples, step = quantise(values)
            layers[f"{kind}:{name}"] = pack(samples)
            about = {"step": step, "unit": units[kind], "limit": limit}
            described.setdefault(name, {})[kind] = about
    content = {
        "shape": first.shape,
        "spacing": view.grid.spacing,
        "affine": view.grid.page_affine.round(5).tolist(),
        "millimetres": view.grid.affine is not None,
        "start": _start(view, first),
        "range": view.range,
        "window": view.window,
        "maps": described,
    }
    return json.dumps(content, allow_nan=False), layers


def _start(view: ScanView, values: NDArray[np.float32]) -> list[int]:
    """Return the strongest position within findings, else the maximum outside the background."""
    if view.findings is not None and view.findings.any():
        inside = np.where(view.findings, np.abs(values), -np.inf)
    else:
        dark = background(view)
        inside = values if dark.all() else np.where(dark, -np.inf, values)
    return [int(index) for index in np.unravel_index(int(inside.argmax()), values.shape)]


def background(view: ScanView) -> NDArray[np.bool_]:
    """Return where the image is dark, shape (x, y, z); nowhere if there is no image."""
    values = next(iter(view.maps.values()))
    if view.image is None:
        return np.zeros(values.shape, bool)
    (low, high), (dark, bright) = view.range, view.window
    limit = dark + _DARK * (bright - dark)
    return np.asarray(view.image < 255 * (limit - low) / ((high - low) or 1))


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
