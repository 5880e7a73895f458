"""Find the regions of a map: above a share of its maximum, and rarer than in control images."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import find_objects

from hrcam.artifacts.regions_table import Region
from hrcam.errors import InputError
from hrcam.evaluation.lesion_scores import components
from hrcam.findings.controls import ControlScores
from hrcam.findings.findings import Findings
from hrcam.findings.grid import MapGrid

SHARE = 0.55
"""In a region, the map's size is at least this share of its maximum."""

CELLS = 32
"""The refinement of maps averages over cells of this part of the image's width."""


def find_regions(
    pattern: ArrayLike,
    *,
    affine: ArrayLike | None = None,
    std: ArrayLike | None = None,
    evidence: ArrayLike | None = None,
    smallest: float | None = None,
    probability: float = 1.0,
    controls: ControlScores | None = None,
) -> Findings:
    """Find where the map of one image stands out, without a mask.

    A region is connected, also across corners, and consists of positions where the map's absolute
    value is at least `SHARE` of its maximum. There is none in an image if more than a tenth of
    control images score as high. Without control images every map has a region, as it has a
    maximum.

    Parameters
    ----------
    pattern
        The map of one image, such as ``explanation.pattern[0]``, shape (*spatial). Its sign does
        not matter.
    affine
        From voxel indices to mm, homogeneous: (4, 4) for volumes, (3, 3) for pictures, (4, 3) for a
        slice with its place in space. None: sizes are in voxels or pixels.
    std
        Standard deviation of the map, such as ``explanation.std[0]``, shape (*spatial).
    evidence
        Such as ``explanation.evidence[0]``, shape (*spatial).
    smallest
        Smallest size of a region, in mm³ (mm², voxels or pixels); None for what `hrcam.refine`
        separates: a cell of 1/32 of the map's width along each axis.
    probability
        Probability that the image is no control, by the network.
    controls
        Scores of control images for the same class, without those of this subject. Fewer than
        `hrcam.findings.controls.FEWEST` are not compared with.

    Returns
    -------
    Findings

    Raises
    ------
    InputError
        If the map is empty or not finite, another map has another shape, or the affine does not
        fit or is singular.
    """
    maps = _Maps.of(pattern, std, evidence)
    grid = MapGrid.of(affine, maps.size.ndim)
    if smallest is None:
        smallest = maps.size.size / CELLS**maps.size.ndim * grid.voxel
    if controls is not None and not controls.enough:
        controls = None

    def control_share(peak: float) -> float | None:
        return None if controls is None else controls.share(probability * peak)

    largest = float(maps.size.max())
    found = Findings(
        labels=np.zeros(maps.size.shape, np.uint16),
        regions=(),
        unit=grid.unit,
        smallest=smallest,
        score=probability * largest,
        control_share=control_share(largest),
        controls=0 if controls is None else len(controls.scores),
    )
    if largest == 0 or found.as_in_controls:
        return found
    regions = []
    parts = _components(maps.size, SHARE * largest, smallest / grid.voxel)
    for index, part in enumerate(parts, start=1):
        found.labels[part.box][part.inside] = index
        voxels = int(np.count_nonzero(part.inside))
        regions.append(
            Region(
                index=index,
                voxels=voxels,
                size=voxels * grid.voxel,
                peak=part.peak,
                peak_mm=grid.in_mm(part.peak),
                peak_value=float(maps.pattern[part.peak]),
                mean=part.mean(maps.size),
                std=None if maps.std is None else part.mean(maps.std),
                evidence_share=maps.evidence_share(part),
                control_share=control_share(part.largest),
            )
        )
    return replace(found, regions=tuple(regions))


@dataclass(frozen=True, eq=False)
class _Part:
    """A component: the voxels ``inside`` within a box, its largest value and where that is."""

    box: tuple[slice, ...]
    inside: NDArray[np.bool_]
    largest: float
    peak: tuple[int, ...]

    def mean(self, values: NDArray[Any]) -> float:
        return float(values[self.box][self.inside].mean(dtype=np.float64))

    def sum(self, values: NDArray[Any]) -> float:
        return float(values[self.box][self.inside].sum(dtype=np.float64))


@dataclass(frozen=True, eq=False)
class _Maps:
    """Maps of one image: ``size`` is the absolute value of the pattern."""

    pattern: NDArray[Any]
    size: NDArray[Any]
    std: NDArray[Any] | None
    positive_evidence: NDArray[Any] | None

    @classmethod
    def of(cls, pattern: ArrayLike, std: ArrayLike | None, evidence: ArrayLike | None) -> "_Maps":
        values = _checked("pattern", pattern)
        others = [
            None if other is None else _checked(name, other, values.shape)
            for name, other in (("std", std), ("evidence", evidence))
        ]
        positive = None if others[1] is None else others[1].clip(0)
        return cls(values, np.abs(values), others[0], positive)

    def evidence_share(self, part: _Part) -> float | None:
        if self.positive_evidence is None:
            return None
        total = float(self.positive_evidence.sum(dtype=np.float64))
        return part.sum(self.positive_evidence) / total if total else 0.0


def _components(size: NDArray[Any], threshold: float, fewest: float) -> list[_Part]:
    """Return the components with enough voxels, by falling peak."""
    labels, _ = components(size >= threshold)
    parts = []
    for number, box in enumerate(find_objects(labels), start=1):
        inside = labels[box] == number
        if np.count_nonzero(inside) < fewest:
            continue
        values = np.where(inside, size[box], -1)
        within = np.unravel_index(values.argmax(), values.shape)
        peak = tuple(int(at) + side.start for at, side in zip(within, box, strict=True))
        parts.append(_Part(box, inside, float(size[peak]), peak))
    return sorted(parts, key=lambda part: part.largest, reverse=True)


def _checked(name: str, values: ArrayLike, shape: tuple[int, ...] | None = None) -> NDArray[Any]:
    array = np.asarray(values)
    if array.dtype.kind not in "iuf" or not array.size or not np.isfinite(array).all():
        raise InputError(
            f"the {name} has the shape {array.shape} and the type {array.dtype}: pass real, finite "
            "numbers"
        )
    if shape is not None and array.shape != shape:
        raise InputError(f"the {name} has the shape {array.shape} and the pattern {shape}")
    return array
