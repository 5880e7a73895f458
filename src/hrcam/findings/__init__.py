"""From a map to regions with numbers, without a mask."""

from hrcam.artifacts.regions_table import Region
from hrcam.findings.controls import ControlScores
from hrcam.findings.find import find_regions
from hrcam.findings.findings import Findings

__all__ = ["ControlScores", "Findings", "Region", "find_regions"]
