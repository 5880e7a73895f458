"""The row of a table: a method at one level, or with all its levels fused."""

from collections.abc import Mapping
from dataclasses import dataclass

EVIDENCE, PATTERN = "HR-CAM evidence", "HR-CAM pattern"


@dataclass(frozen=True)
class Variant:
    """One method at one level, or with all its levels fused in one way.

    Attributes
    ----------
    method
        Name of the method in its publication.
    level
        Name of the level; empty if the method uses all levels.
    fusion
        How all levels were fused; empty if they were not.
    """

    method: str
    level: str = ""
    fusion: str = ""

    @property
    def name(self) -> str:
        """Name in tables."""
        if self.fusion:
            return f"{self.method}, all levels, {self.fusion}"
        return f"{self.method}, {self.level}" if self.level else self.method


def best_variants(means: Mapping[Variant, float]) -> list[Variant]:
    """Select each method's best single level and its best fusion of levels, in descending order.

    Parameters
    ----------
    means
        Mean score of each variant; a larger one is better.
    """
    best: dict[tuple[str, bool], Variant] = {}
    for variant in sorted(means, key=lambda one: means[one], reverse=True):
        best.setdefault((variant.method, bool(variant.fusion)), variant)
    return list(best.values())
