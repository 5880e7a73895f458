"""Check a cohort before anything is computed from it."""

from hrcam.cohort.check.report import CheckReport, check_cohort

__all__ = ["CheckReport", "check_cohort"]
