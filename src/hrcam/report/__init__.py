"""Figures of maps and scores, and reports as one self-contained HTML page."""

from hrcam.errors import require

require(__name__, "report", "jinja2", "markupsafe", "matplotlib", "nibabel", "pandas")
