"""Open a cohort, whichever way it is laid out."""

from hrcam.cohort.opening.layouts import open_cohort

__all__ = ["open_cohort"]
