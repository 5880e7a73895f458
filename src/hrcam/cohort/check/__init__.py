"""Check a cohort before anything is computed from it."""

from hrcam.cohort.check.cohort_check import CheckReport, check_cohort

__all__ = ["CheckReport", "check_cohort"]
