"""Turn the report of a cohort into one HTML file, with a script that nothing can be added to."""

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
    """Render a page as HTML that refers to nothing outside itself.

    Every text is escaped. The content security policy allows one script, by its hash: even
    markup that slipped through could not run.
    """
    # As text: line ends of a checkout elsewhere would change the hash, as browsers see it.
    source = (files("hrcam.report") / "templates" / "viewer.js").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode("ascii")
    return TEMPLATES.get_template("cohort.html.jinja").render(
        page=page,
        script=Markup(source),
        script_source=f"'sha256-{digest}'",
        ramps=json.dumps({"warm": WARM, "cold": COLD}),
    )


def write_cohort_page(page: CohortPage, path: str | os.PathLike[str]) -> Path:
    """Write a page as one HTML file, whole or not at all.

    Raises
    ------
    OSError
        If it cannot be written; an older page at the same place is then still there.
    """
    # Replaced, not refused: a file name that is not UTF-8 reaches us as lone surrogates.
    return write_atomically(path, render_cohort_page(page).encode("utf-8", "replace"))
