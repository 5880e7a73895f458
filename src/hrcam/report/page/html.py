"""Render a page as one self-contained HTML file for screen, phone and print."""

import os
import re
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

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


def _code(text: str) -> Markup:
    """Escape a text, and mark what stands between backticks as code."""
    return Markup(re.sub(r"`(hrcam [^`]+)`", r"<code>\1</code>", str(escape(text))))


TEMPLATES.filters["code"] = _code


def render_page(page: Page) -> str:
    """Render a page as HTML without external references.

    All text is escaped, so names from a cohort cannot become markup.
    """
    sections = (*page.sections, INTERPRETATION)
    return TEMPLATES.get_template("page.html.jinja").render(page=page, sections=sections)


def write_page(page: Page, path: str | os.PathLike[str]) -> Path:
    """Write a page atomically as one HTML file.

    Raises
    ------
    OSError
        If it cannot be written; an existing file is then kept.
    """
    # File names that are not UTF-8 contain lone surrogates, which are replaced.
    return write_atomically(path, render_page(page).encode("utf-8", "replace"))
