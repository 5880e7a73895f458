"""The demo: the whole workflow on a simulated cohort."""

from hrcam.errors import require

require(__name__, "benchmark", "pandas")

from hrcam.demo.run import run_demo

__all__ = ["run_demo"]
