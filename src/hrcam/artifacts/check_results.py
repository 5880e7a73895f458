"""What checks of maps found, as ``sanity.json`` holds it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np

from hrcam.errors import InputError

CheckName = Literal["randomisation", "bounds", "likeness", "repeatability", "noise", "shift"]
CHECKS: tuple[CheckName, ...] = get_args(CheckName)
"""Every check, the most important first."""

HRCAM_AUPRC = "HR-CAM"
"""Of the details of the check "bounds", the score of the maps; the others are of the bounds."""

STAY_BELOW: frozenset[CheckName] = frozenset({"randomisation", "likeness"})
"""Checks whose values have to stay below the limit; those of "bounds" have to be above it, and
those of the others have to reach it."""


@dataclass(frozen=True)
class Check:
    """What one check found.

    Attributes
    ----------
    name
        Which one.
    values
        Of each image; empty where it could not be measured.
    limit
        What their mean is held against.
    reason
        Why it could not be measured; else "".
    details
        Other numbers that were measured with it, by name, each a mean over images.
    """

    name: CheckName
    values: tuple[float, ...]
    limit: float
    reason: str = ""
    details: Mapping[str, float] = field(default_factory=dict)

    @property
    def value(self) -> float:
        """Mean over the images; NaN where it could not be measured."""
        return float(np.mean(self.values)) if self.values else math.nan

    @property
    def below(self) -> bool:
        """Whether values have to stay below the limit, rather than reach it."""
        return self.name in STAY_BELOW

    @property
    def passed(self) -> bool | None:
        """Whether the limit is kept; None where that could not be measured."""
        if not self.values:
            return None
        if self.name == "bounds":
            return self.value > self.limit
        return self.value < self.limit if self.below else self.value >= self.limit


@dataclass(frozen=True)
class CoarseMap:
    """How far a map of the coarsest level alone agrees; it has no limit.

    Attributes
    ----------
    method
        "CAM" where the network allows it, else "Grad-CAM".
    cells
        Size of the level, along each axis.
    spearman, overlap
        Rank correlation, and overlap of the highest 5 %, means over the images.
    """

    method: str
    cells: tuple[int, ...]
    spearman: float
    overlap: float


@dataclass(frozen=True)
class MapChecks:
    """What was found of one network's pattern maps.

    Attributes
    ----------
    images
        On how many images.
    checks
        `CHECKS` in their order, but "bounds" where maps were scored by masks, and else "likeness".
    cascade
        Share of the layers that were made random, from the output to the input, and the mean SSIM
        of the map with the real one; empty where that could not be measured.
    coarse
        The map of the coarsest level; None where there is none.
    """

    images: int
    checks: tuple[Check, ...]
    cascade: tuple[tuple[float, float], ...]
    coarse: CoarseMap | None

    def failed(self) -> tuple[Check, ...]:
        """Return the checks whose limit is not kept."""
        return tuple(check for check in self.checks if check.passed is False)

    def to_json(self) -> dict[str, Any]:
        """Return plain content for a JSON file."""
        return {
            "Images": self.images,
            "Checks": {
                check.name: {
                    "Value": _finite(check.value),
                    "Limit": check.limit,
                    "Passed": check.passed,
                    "Reason": check.reason,
                    "Values": list(check.values),
                    "Details": dict(check.details),
                }
                for check in self.checks
            },
            "Cascade": [list(point) for point in self.cascade],
            "LowResolution": None
            if self.coarse is None
            else {
                "Method": self.coarse.method,
                "Cells": list(self.coarse.cells),
                "Spearman": self.coarse.spearman,
                "Overlap": self.coarse.overlap,
            },
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "MapChecks":
        """Read what `to_json` returned.

        Raises
        ------
        InputError
            If something is missing, or is not what it should be.
        """
        try:
            found = content["Checks"]
            coarse = content["LowResolution"]
            return cls(
                images=int(content["Images"]),
                checks=tuple(_check(name, found[name]) for name in _names(found)),
                cascade=tuple((_number(x), _number(y)) for x, y in content["Cascade"]),
                coarse=None
                if coarse is None
                else CoarseMap(
                    str(coarse["Method"]),
                    tuple(int(size) for size in coarse["Cells"]),
                    _number(coarse["Spearman"]),
                    _number(coarse["Overlap"]),
                ),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(
                f"the checks of the maps cannot be understood ({type(error).__name__}: {error})"
            ) from error


def _names(found: Mapping[str, Any]) -> list[CheckName]:
    without = "likeness" if "bounds" in found else "bounds"
    return [name for name in CHECKS if name != without]


def _check(name: CheckName, content: Mapping[str, Any]) -> Check:
    details = {str(key): _number(value) for key, value in content["Details"].items()}
    values = tuple(map(_number, content["Values"]))
    return Check(name, values, _number(content["Limit"]), str(content["Reason"]), details)


def _number(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is not finite")
    return number


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
