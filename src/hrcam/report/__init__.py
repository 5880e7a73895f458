"""What people look at: figures of maps and scores, and one self-contained HTML page."""

from hrcam.errors import require

require(__name__, "report", "jinja2", "markupsafe", "matplotlib", "nibabel", "pandas")
