"""What the record of a scan says of its findings."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, cast

from hrcam.artifacts.control_table import RATE
from hrcam.artifacts.regions_table import Unit


@dataclass(frozen=True)
class MaskScores:
    """The findings of an image against its mask.

    Attributes
    ----------
    dice, iou
        Overlap of all regions with the mask; None if the mask is empty.
    lesions, detected
        Number of lesions in the mask, and of those that a region matches.
    false_positives
        Number of regions that match no lesion.
    """

    dice: float | None
    iou: float | None
    lesions: int
    detected: int
    false_positives: int


@dataclass(frozen=True)
class ScanFindings:
    """The findings of one map.

    Attributes
    ----------
    regions
        Their number.
    unit
        Of their sizes.
    smallest
        Smaller regions were left out.
    score
        Largest absolute value of the map, times the probability that the image is no control.
    control_share
        Share of control images that score as high; None without control images.
    controls
        Number of control images that the map was compared with.
    comparison
        Why there are none, in a few words; "" where there are some.
    scores
        Against the mask; None without one.
    """

    regions: int
    unit: Unit
    smallest: float
    score: float
    control_share: float | None
    controls: int
    comparison: str = ""
    scores: MaskScores | None = None

    @property
    def statement(self) -> str:
        """What was found, in a sentence or two."""
        number = "no finding" if not self.regions else f"{self.regions} region"
        if self.regions > 1:
            number += "s"
        if self.control_share is None:
            return f"{number}; not compared with control images: {self.comparison}"
        shown = f"{_percent(self.control_share)} of {self.controls} control images score as high"
        if self.control_share > RATE:
            return f"{number}: {shown}, and a finding is rarer than {_percent(RATE)}"
        if not self.regions:
            return f"{number}: every region is smaller than {self.smallest:.3g} {self.unit}"
        return f"{number}; {shown}"

    def to_json(self) -> dict[str, Any]:
        """Return plain content for a record, with the key style of BIDS."""
        scores = self.scores
        return {
            "Statement": self.statement,
            "Regions": self.regions,
            "Unit": self.unit,
            "SmallestSize": self.smallest,
            "Score": self.score,
            "ControlShare": self.control_share,
            "LargestControlShare": RATE,
            "Controls": self.controls,
            "Comparison": self.comparison,
            "MaskScores": None
            if scores is None
            else {
                "Dice": scores.dice,
                "IoU": scores.iou,
                "Lesions": scores.lesions,
                "Detected": scores.detected,
                "FalsePositives": scores.false_positives,
            },
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Read it again; raises KeyError, TypeError or ValueError if it is damaged."""
        scores = content["MaskScores"]
        return cls(
            regions=int(content["Regions"]),
            unit=cast(Unit, content["Unit"]),
            smallest=float(content["SmallestSize"]),
            score=float(content["Score"]),
            control_share=_number(content["ControlShare"]),
            controls=int(content["Controls"]),
            comparison=str(content["Comparison"]),
            scores=None
            if scores is None
            else MaskScores(
                _number(scores["Dice"]),
                _number(scores["IoU"]),
                int(scores["Lesions"]),
                int(scores["Detected"]),
                int(scores["FalsePositives"]),
            ),
        )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _number(value: Any) -> float | None:
    if value is None:
        return None
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{number} is not finite")
    return number
