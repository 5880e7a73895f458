"""The row of a table: a method at one level, or with all its levels fused, at one stage."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

PATTERN = "HR-CAM pattern"
PAPER = "HR-CAM (2019)"
"""The evidence map of a head that was fitted to labels on the frozen CNN, as published."""
EVIDENCE = "HR-CAM evidence for the logits"


class Stage(StrEnum):
    """A map as read from the network, or refined along the edges of the image."""

    AS_READ = "as read"
    REFINED = "refined"


@dataclass(frozen=True)
class Variant:
    """One method at one level, or with all its levels fused in one way, at one stage.

    Attributes
    ----------
    method
        Name of the method in its publication.
    level
        Name of the level; empty if the method uses all levels.
    fusion
        How all levels were fused; empty if they were not.
    stage
        Of the map.
    """

    method: str
    level: str = ""
    fusion: str = ""
    stage: Stage = Stage.AS_READ

    @property
    def name(self) -> str:
        """Name in tables; that of a refined map says so."""
        setting = self.setting
        return setting if self.stage == Stage.AS_READ else f"{setting}, {self.stage}"

    @property
    def setting(self) -> str:
        """Name without the stage."""
        if self.fusion:
            return f"{self.method}, all levels, {self.fusion}"
        return f"{self.method}, {self.level}" if self.level else self.method

    @classmethod
    def from_row(cls, method: str, level: str, fusion: str, stage: str) -> "Variant":
        """Return the variant in the columns of a table; ValueError for an unknown stage."""
        return cls(method, level, fusion, Stage(stage))

    def at(self, stage: Stage) -> "Variant":
        """Return the same method, level and fusion at a stage."""
        return replace(self, stage=stage)


HRCAM_VARIANTS = tuple(
    Variant(name, stage=stage) for name in (PATTERN, PAPER, EVIDENCE) for stage in Stage
)


def best_variants(means: Mapping[Variant, float]) -> list[Variant]:
    """Select each method's best single level and its best fusion of levels, at each stage.

    Parameters
    ----------
    means
        Mean score of each variant; a larger one is better.

    Returns
    -------
    The variants in descending order.
    """
    best: dict[tuple[str, bool, Stage], Variant] = {}
    for variant in sorted(means, key=lambda one: means[one], reverse=True):
        best.setdefault((variant.method, bool(variant.fusion), variant.stage), variant)
    return list(best.values())


def best_settings(means: Mapping[Variant, float]) -> list[Variant]:
    """Return the method, level and fusion of each of `best_variants`, once, as read.

    They are in descending order of the mean at the better stage.
    """
    settings = dict.fromkeys(one.at(Stage.AS_READ) for one in best_variants(means))

    def better(setting: Variant) -> float:
        return max(means[one] for one in map(setting.at, Stage) if one in means)

    return sorted(settings, key=better, reverse=True)
