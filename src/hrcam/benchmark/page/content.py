"""The page of a benchmark, as HTML and as Markdown."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from jinja2 import ChoiceLoader, PackageLoader

from hrcam.report.page.content import Section, Table
from hrcam.report.page.html import TEMPLATES

_TEMPLATES = TEMPLATES.overlay(
    loader=ChoiceLoader([PackageLoader("hrcam.benchmark"), PackageLoader("hrcam.report")])
)


@dataclass(frozen=True)
class Chapter:
    """A chapter of the page.

    Attributes
    ----------
    identifier
        For links to it.
    heading
        Its title.
    introduction
        Plain text.
    sections
        Sections in order; one without a heading continues the introduction.
    """

    identifier: str
    heading: str
    introduction: tuple[str, ...] = ()
    sections: tuple[Section, ...] = ()


@dataclass(frozen=True)
class BenchmarkPage:
    """Content of the page.

    Attributes
    ----------
    title
        Its title.
    summary
        One paragraph with the main results.
    chapters
        In order.
    versions
        Software and its version, for the footer.
    seed
        Of the bootstrap, for the footer.
    """

    title: str
    summary: str
    chapters: tuple[Chapter, ...]
    versions: Mapping[str, str] = field(default_factory=dict)
    seed: int | None = None


def render_html(page: BenchmarkPage) -> str:
    """Render a page as HTML without external references; all text is escaped."""
    return _TEMPLATES.get_template("benchmark.html.jinja").render(page=page)


def render_markdown(page: BenchmarkPage) -> str:
    """Render the texts and tables of a page as Markdown, without its pictures."""
    return "\n\n".join(_blocks(page)) + "\n"


def _blocks(page: BenchmarkPage) -> Iterator[str]:
    yield f"# {_escaped(page.title)}"
    yield _escaped(page.summary)
    for chapter in page.chapters:
        yield f"## {_escaped(chapter.heading)}"
        yield from map(_escaped, chapter.introduction)
        for section in chapter.sections:
            if section.heading:
                yield f"### {_escaped(section.heading)}"
            yield from map(_escaped, section.paragraphs)
            if section.table is not None:
                yield from _table(section.table)
            if section.points:
                yield "\n".join(f"- {_escaped(point)}" for point in section.points)
            if section.note:
                yield _escaped(section.note)
    if page.versions:
        versions = ", ".join(f"{name} {version}" for name, version in page.versions.items())
        yield _escaped(f"Made with {versions}.")


def _table(table: Table) -> Iterator[str]:
    if table.caption:
        yield _escaped(table.caption)
    rule = ("---:" if column in table.numeric else "---" for column in range(len(table.headers)))
    rows = [table.headers, tuple(rule), *table.rows]
    yield "\n".join(
        f"| {' | '.join(cells if index == 1 else map(_escaped, cells))} |"
        for index, cells in enumerate(rows)
    )


def _escaped(text: str) -> str:
    """Escape markup and line breaks."""
    text = " ".join(text.split())
    for letter in "\\`*_<>|[]":
        text = text.replace(letter, f"\\{letter}")
    return text
