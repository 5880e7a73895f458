"""Render the report of a cohort as one HTML file, in which only its own script can run."""

import base64
import hashlib
import json
import os
from importlib.resources import files
from pathlib import Path

from markupsafe import Markup

from hrcam.artifacts.atomic import write_atomically
from hrcam.artifacts.map_colours import COLD, WARM
from hrcam.report.page.cohort_page import CohortPage
from hrcam.report.page.html import TEMPLATES


def render_cohort_page(page: CohortPage) -> str:
    """Render a page as HTML without external references.

    All text is escaped, and the content security policy allows only this script, by its hash.
    """
    # Read as text: other line ends would change the hash that browsers compute.
    source = (files("hrcam.report") / "templates" / "viewer.js").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode("ascii")
    return TEMPLATES.get_template("cohort.html.jinja").render(
        page=page,
        script=Markup(source),
        script_source=f"'sha256-{digest}'",
        ramps=json.dumps({"warm": WARM, "cold": COLD}),
    )


def write_cohort_page(page: CohortPage, path: str | os.PathLike[str]) -> Path:
    """Write a page atomically as one HTML file.

    Raises
    ------
    OSError
        If it cannot be written; an existing file is then kept.
    """
    # File names that are not UTF-8 contain lone surrogates, which are replaced.
    return write_atomically(path, render_cohort_page(page).encode("utf-8", "replace"))
