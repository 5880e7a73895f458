"""The whole job on a simulated cohort: simulate, train, fit, map, compare, report."""

from hrcam.errors import require

require(__name__, "benchmark", "pandas")

from hrcam.demo.job import run_demo

__all__ = ["run_demo"]
