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

_PARTS = ("basics.js", "decode.js", "download.js", "pane.js", "card.js", "viewer.js")


def render_cohort_page(page: CohortPage) -> str:
    """Render a page as HTML without external references.

    All text is escaped, and the content security policy allows only this script, by its hash.
    """
    source = _script()
    digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode("ascii")
    return TEMPLATES.get_template("cohort.html.jinja").render(
        page=page,
        script=Markup(source),
        script_source=f"'sha256-{digest}'",
        ramps=json.dumps({"warm": WARM, "cold": COLD}),
    )


def _script() -> str:
    """Join the parts of the script; nothing of it is visible from outside."""
    # Read as text: other line ends would change the hash that browsers compute.
    parts = [(files("hrcam.report") / "scripts" / name).read_text("utf-8") for name in _PARTS]
    return '"use strict";\n(() => {\n' + "\n".join(parts) + "})();\n"


def write_cohort_page(page: CohortPage, path: str | os.PathLike[str]) -> Path:
    """Write a page atomically as one HTML file.

    Raises
    ------
    OSError
        If it cannot be written; an existing file is then kept.
    """
    # File names that are not UTF-8 contain lone surrogates, which are replaced.
    return write_atomically(path, render_cohort_page(page).encode("utf-8", "replace"))
