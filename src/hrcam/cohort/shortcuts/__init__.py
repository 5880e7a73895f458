"""Shortcuts: what tells the class of a scan without a look at the pathology."""

from hrcam.cohort.shortcuts.measure import Division, is_enough, measure_shortcuts
from hrcam.cohort.shortcuts.sources import Source, cohort_sources

__all__ = ["Division", "Source", "cohort_sources", "is_enough", "measure_shortcuts"]
