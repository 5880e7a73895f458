"""Turn a page into one self-contained HTML file, readable offline, on a phone and on paper."""

import os
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from hrcam.artifacts.atomic import write_atomically
from hrcam.report.page.content import Page
from hrcam.report.page.interpretation import INTERPRETATION

TEMPLATES = Environment(
    loader=PackageLoader("hrcam.report"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render_page(page: Page) -> str:
    """Render a page as HTML that refers to nothing outside itself.

    Every text is escaped: names from a cohort cannot become markup.
    """
    sections = (*page.sections, INTERPRETATION)
    return TEMPLATES.get_template("page.html.jinja").render(page=page, sections=sections)


def write_page(page: Page, path: str | os.PathLike[str]) -> Path:
    """Write a page as one HTML file, whole or not at all.

    Raises
    ------
    OSError
        If it cannot be written; an older page at the same place is then still there.
    """
    # Replaced, not refused: a file name that is not UTF-8 reaches us as lone surrogates.
    return write_atomically(path, render_page(page).encode("utf-8", "replace"))
