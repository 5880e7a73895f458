"""What the record of a scan says of the network's input: what it saw, and whether it knows such."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from hrcam.artifacts.distance_table import UNLIKE_RATE

SIZE_FACTOR = 1.5
"""Voxels are unusual if a side is this many times larger or smaller than any in the training."""

_HELD_OUT = round(1 / UNLIKE_RATE)


@dataclass(frozen=True)
class ScanInput:
    """The input of the networks that mapped a scan, compared with what they learnt from.

    Attributes
    ----------
    box
        Voxels of the image within the network's grid: for each axis the first, and the end.
    share
        Share of the image's voxels within it.
    voxel_size
        Of the image in mm, along each axis of the network's grid; None without a scale.
    known_sizes
        The smallest and the largest voxel sizes of the training, each in rising order; None where
        they are not known.
    distance
        Of the pooled features from those of the training scans, as a multiple of the median of
        held-out scans; None where it is not known.
    limit
        What one in twenty held-out scans exceeds; None where it is not known.
    held_out
        Number of held-out scans that the limit is from.
    comparison
        Why there is no distance or no limit, in a few words; "" where there are both.
    """

    box: tuple[tuple[int, int], ...]
    share: float
    voxel_size: tuple[float, ...] | None
    known_sizes: tuple[tuple[float, ...], tuple[float, ...]] | None
    distance: float | None
    limit: float | None
    held_out: int
    comparison: str = ""

    @property
    def unlike(self) -> bool | None:
        """Whether the scan is unlike those of the training; None where that is not known."""
        if self.reasons:
            return True
        return None if self.limit is None else False

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it is unlike them, one phrase for each."""
        return (*self._far(), *self._resized())

    @property
    def statement(self) -> str:
        """What was found, in a sentence or two."""
        if self.reasons:
            return f"unlike the scans that the network learnt from: {'; '.join(self.reasons)}"
        if self.distance is None or self.limit is None:
            return f"not compared with the scans that the network learnt from: {self.comparison}"
        return (
            "like the scans that the network learnt from: its features are "
            f"{_times(self.distance)} times as far from theirs as those of the median held-out "
            f"scan; the limit, of {self.held_out} scans, is {_times(self.limit)}"
        )

    @property
    def seen(self) -> str:
        """Which part of the scan the network saw, in a sentence; "" if it saw all."""
        if self.share == 1:
            return ""
        percent = 100 * self.share
        share = "less than 1" if percent < 1 else f"{min(percent, 99):.0f}"
        return f"The network saw {share} % of the scan; the map is 0 elsewhere."

    def to_json(self) -> dict[str, Any]:
        """Return plain content for a record, with the key style of BIDS."""
        sizes = self.known_sizes
        return {
            "Statement": self.statement,
            "UnlikeTraining": self.unlike,
            "Box": [list(ends) for ends in self.box],
            "Share": self.share,
            "VoxelSize": None if self.voxel_size is None else list(self.voxel_size),
            "TrainingVoxelSizes": None if sizes is None else [list(one) for one in sizes],
            "Distance": self.distance,
            "DistanceLimit": self.limit,
            "HeldOutScans": self.held_out,
            "Comparison": self.comparison,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Read it again; raises KeyError, TypeError or ValueError if it is damaged."""
        size, known = content["VoxelSize"], content["TrainingVoxelSizes"]
        smallest_and_largest = None
        if known is not None:
            smallest, largest = map(_numbers, known)
            smallest_and_largest = smallest, largest
        found = cls(
            box=tuple((int(start), int(end)) for start, end in content["Box"]),
            share=float(content["Share"]),
            voxel_size=None if size is None else _numbers(size),
            known_sizes=smallest_and_largest,
            distance=_number(content["Distance"]),
            limit=_number(content["DistanceLimit"]),
            held_out=int(content["HeldOutScans"]),
            comparison=str(content["Comparison"]),
        )
        if not 0 <= found.share <= 1:
            raise ValueError(f"the share {found.share} is none")
        return found

    def _far(self) -> tuple[str, ...]:
        if self.distance is None or self.limit is None or self.distance <= self.limit:
            return ()
        return (
            f"its features are {_times(self.distance)} times as far from theirs as those of the "
            f"median held-out scan, and one in {_HELD_OUT} held-out scans is beyond "
            f"{_times(self.limit)}",
        )

    def _resized(self) -> tuple[str, ...]:
        if self.voxel_size is None or self.known_sizes is None:
            return ()
        sides = sorted(self.voxel_size)
        smallest, largest = self.known_sizes
        unusual = len(sides) == len(smallest) and any(
            side > SIZE_FACTOR * high or side * SIZE_FACTOR < low
            for side, low, high in zip(sides, smallest, largest, strict=True)
        )
        if not unusual:
            return ()
        known = _sides(smallest)
        if smallest != largest:
            known += f" to {_sides(largest)}"
        return (f"its voxels are {_sides(sides)} mm, and theirs were {known} mm",)


def _times(multiple: float) -> str:
    return f"{multiple:,.0f}" if multiple >= 100 else f"{multiple:.1f}"


def _sides(size: Sequence[float]) -> str:
    return " × ".join(f"{side:.3g}" for side in size)


def _numbers(values: Sequence[Any]) -> tuple[float, ...]:
    numbers = tuple(map(float, values))
    if not all(map(math.isfinite, numbers)):
        raise ValueError(f"{numbers} are not finite")
    return numbers


def _number(value: Any) -> float | None:
    return None if value is None else _numbers([value])[0]
