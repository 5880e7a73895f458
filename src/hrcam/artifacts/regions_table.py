"""The regions of one map: a row each, and what the columns mean."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from hrcam.artifacts.control_table import RATE
from hrcam.artifacts.formats import encode_tsv, read_rows
from hrcam.errors import InputError

Unit = Literal["mm3", "mm2", "voxels", "pixels"]
"""Of the size of a region: without a scale in mm, voxels of volumes and pixels of pictures."""

_BIDS_UNITS: Mapping[Unit, str] = {"mm3": "mm^3", "mm2": "mm^2", "voxels": "1", "pixels": "1"}
_INDICES, _PLACES = ("peak_i", "peak_j", "peak_k"), ("peak_x", "peak_y", "peak_z")

REGION_COLUMNS: Mapping[str, str] = {
    "index": "Value of the region in the label image.",
    "name": "Class and index.",
    "class": "Class of the map.",
    "voxels": "Number of voxels.",
    "size": "Volume, or area in 2D.",
    "peak_i": "Voxel with the largest absolute value of the pattern, from 0: first axis of the "
    "image; rows of a picture.",
    "peak_j": "Second axis; columns of a picture.",
    "peak_k": "Third axis.",
    "peak_x": "The same place by the affine of the image: to the right.",
    "peak_y": "To the front.",
    "peak_z": "To the top.",
    "peak_value": "The pattern there, signed: positive speaks for the class, negative against it.",
    "mean": "Mean of the pattern's absolute values.",
    "std": "Mean of the standard deviations of the pattern, an upper bound of that of the mean.",
    "evidence_share": "Share of the image's positive evidence that lies in the region.",
    "control_share": "Share of control images that score as high as the peak does.",
    "as_in_controls": f"Whether that is more than {RATE:g}: controls show as much.",
}
"""Columns of the table, with what they mean."""


@dataclass(frozen=True)
class Region:
    """A connected part of a map that stands out.

    Attributes
    ----------
    index
        Its value in the label image: from 1, by falling peak.
    voxels
        Number of voxels.
    size
        Volume, or area in 2D.
    peak
        Voxel with the largest absolute value, one index for each axis.
    peak_mm
        The same place by the affine, in mm; None without one.
    peak_value
        The map there, signed.
    mean
        Mean of the map's absolute values.
    std
        Mean of the standard deviations of the map, an upper bound of that of ``mean``; None without
        a bootstrap.
    evidence_share
        Share of the image's positive evidence that lies here; None without the evidence.
    control_share
        Share of control images that score as high as its peak; None without control images.
    """

    index: int
    voxels: int
    size: float
    peak: tuple[int, ...]
    peak_mm: tuple[float, ...] | None
    peak_value: float
    mean: float
    std: float | None = None
    evidence_share: float | None = None
    control_share: float | None = None

    @property
    def as_in_controls(self) -> bool:
        """Whether more control images than `RATE` score as high."""
        return self.control_share is not None and self.control_share > RATE


def encode_regions(regions: Sequence[Region], map_class: str) -> bytes:
    """Encode the table of the regions of one map; only the header without any."""
    return encode_tsv(tuple(REGION_COLUMNS), [_fields(region, map_class) for region in regions])


def describe_regions(unit: Unit) -> dict[str, dict[str, str]]:
    """Return the meaning of each column, and the units of sizes and places, as in BIDS."""
    units = {"size": _BIDS_UNITS[unit], **dict.fromkeys(_PLACES, "mm")}
    return {
        name: {"Description": text, **({"Units": units[name]} if name in units else {})}
        for name, text in REGION_COLUMNS.items()
        if name not in ("index", "name")
    }


def read_regions(path: Path) -> tuple[Region, ...]:
    """Read the table of the regions of one map.

    Raises
    ------
    InputError
        If it is missing or damaged.
    """
    rows = read_rows(path, tuple(REGION_COLUMNS))
    try:
        return tuple(map(_region, rows))
    except ValueError as error:
        raise InputError(f"{path} has a value that is no number ({error}): map again") from error


def _fields(region: Region, map_class: str) -> list[object]:
    return [
        *(region.index, f"{map_class} {region.index}", map_class, region.voxels),
        *(_text(region.size), *_padded(region.peak)),
        *map(_text, _padded(region.peak_mm or ())),
        *map(_text, (region.peak_value, region.mean, region.std)),
        *map(_text, (region.evidence_share, region.control_share)),
        None if region.control_share is None else region.as_in_controls,
    ]


def _region(row: Mapping[str, str]) -> Region:
    peak = [int(row[name]) for name in _INDICES if row[name]]
    places = [float(row[name]) for name in _PLACES if row[name]]
    return Region(
        index=int(row["index"]),
        voxels=int(row["voxels"]),
        size=float(row["size"]),
        peak=tuple(peak),
        peak_mm=tuple(places) or None,
        peak_value=float(row["peak_value"]),
        mean=float(row["mean"]),
        std=_number(row["std"]),
        evidence_share=_number(row["evidence_share"]),
        control_share=_number(row["control_share"]),
    )


def _padded(values: Sequence[Any]) -> tuple[Any, ...]:
    return (*values, None, None, None)[:3]


def _text(value: float | None) -> str | None:
    return None if value is None else f"{value:.6g}"


def _number(text: str) -> float | None:
    return float(text) if text else None
