"""The benchmark of all methods on all cohorts: ``hrcam benchmark``."""

from hrcam.errors import require

require(__name__, "benchmark", "jinja2", "matplotlib", "monai", "nibabel", "pandas")
