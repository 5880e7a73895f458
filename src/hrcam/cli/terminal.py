"""Text for a terminal: problems of a cohort, escaped characters, aligned tables."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from hrcam.cohort.problems import Problem

_NAMED = 5
"""Scans that a warning names."""


def print_problems(problems: Iterable["Problem"], *, err: bool = False) -> None:
    """Print one line per problem: scan, file, reason, message, advice.

    Many problems that differ by numbers alone become one line with their count.
    """
    from hrcam.cohort.problems import grouped

    for problem, count in grouped(problems):
        kind = "refused" if problem.refused else "warning"
        place = "  ".join(part for part in (problem.scan, problem.file) if part) or "cohort"
        message = problem.message
        if count > 1:
            first = problem.scan or problem.file
            where = f"{count} {'scans' if problem.scan else 'times'}"
            place, message = "cohort", f"{where}{f', as {first}' if first else ''}: {message}"
        text = f"{kind}  {place}  {problem.reason}: {message}; {problem.advice}"
        typer.echo(printable(text), err=err)


def print_unlike(scans: Sequence[str]) -> None:
    """Print a line with the names of scans that are unlike those of the training, if any."""
    if not scans:
        return
    number = "1 scan is" if len(scans) == 1 else f"{len(scans)} scans are"
    named = ", ".join(map(printable, scans[:_NAMED])) + (", …" if len(scans) > _NAMED else "")
    typer.echo(
        f"warning  {number} unlike those that the network learnt from, do not trust the maps: "
        f"{named}; see unlike_training in maps.tsv"
    )


def printable(text: str) -> str:
    """Escape characters that a terminal would interpret or hide, as control characters."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Lay out rows of cells as lines, each column padded to its widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
