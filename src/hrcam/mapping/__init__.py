"""Maps for whole cohorts, in the space of each image."""

from hrcam.mapping.cohort_mapping import MapReport, map_scans
from hrcam.mapping.inputs import open_input

__all__ = ["MapReport", "map_scans", "open_input"]
