"""Every method on every cohort, on the same footing: ``hrcam benchmark``."""

from hrcam.errors import require

require(__name__, "benchmark", "jinja2", "matplotlib", "monai", "nibabel", "pandas")
