"""The elements of a page: text, tables and pictures."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from hrcam.errors import InputError


@dataclass(frozen=True)
class Table:
    """A table of texts.

    Attributes
    ----------
    headers
        One per column.
    rows
        Each with one text per column.
    numeric
        Indices of the columns that are aligned on the right.
    caption
        One line above the table.

    Raises
    ------
    InputError
        If a row has more or fewer texts than there are headers.
    """

    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[int, ...] = ()
    caption: str = ""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.headers):
                raise InputError(f"A row of {len(row)} under {len(self.headers)} headers: {row}.")


@dataclass(frozen=True)
class Picture:
    """A figure of the page.

    Attributes
    ----------
    png
        As `hrcam.report.figures.style.png` renders it.
    alt
        Alternative text.
    caption
        Text below it.
    """

    png: bytes
    alt: str
    caption: str = ""

    @property
    def uri(self) -> str:
        """The image itself, as a data URI."""
        return f"data:image/png;base64,{base64.b64encode(self.png).decode('ascii')}"


@dataclass(frozen=True)
class Answer:
    """A question about the maps with its answer.

    Attributes
    ----------
    question
        Ends with a question mark.
    outcome
        "passed", "failed", or "open" if unknown.
    text
        What that means for the reader.
    numbers
        The measured value and the limit.
    """

    question: str
    outcome: Literal["passed", "failed", "open"]
    text: str
    numbers: str = ""


@dataclass(frozen=True)
class Section:
    """A part of the page, shown in the order of its attributes.

    Attributes
    ----------
    heading
        Its title.
    paragraphs
        Plain text.
    answers
        Questions about the maps with their answers.
    table
        At most one.
    points
        A list with bullets.
    pictures
        Figures with their captions.
    note
        Highlighted text: a warning, or how something was selected.
    """

    heading: str
    paragraphs: tuple[str, ...] = ()
    answers: tuple[Answer, ...] = ()
    table: Table | None = None
    points: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Page:
    """A page. The section on how to interpret maps is added to each page.

    Attributes
    ----------
    title
        Its title.
    summary
        One paragraph with the main result.
    sections
        In order.
    versions
        Software and its version, for the footer.
    seed
        Random seed, for the footer; None if nothing was random.
    """

    title: str
    summary: str
    sections: tuple[Section, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    seed: int | None = None
