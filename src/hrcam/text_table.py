"""Rows of cells as aligned lines of text."""

from collections.abc import Sequence


def aligned(rows: Sequence[Sequence[str]], *, rule: bool = False) -> str:
    """Pad each column to its widest cell; with ``rule`` draw a line under the first row."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    if rule:
        rows = [rows[0], ["─" * width for width in widths], *rows[1:]]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
