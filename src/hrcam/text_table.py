"""Scores as cells of text, and rows of cells as aligned lines."""

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


def with_interval(value: float | None, low: float | None, high: float | None) -> str:
    """Write a score with its interval: "0.73 (0.71 to 0.75)".

    With "to", because a dash in front of a negative end reads as a minus too many.

    Parameters
    ----------
    value
        None where it is not defined: "n/a".
    low, high
        Ends of the interval; None where there is none: the value stands alone.

    Returns
    -------
    str
        Two decimals.
    """
    if value is None:
        return "n/a"
    # z: no minus before a zero.
    if low is None or high is None:
        return f"{value:z.2f}"
    return f"{value:z.2f} ({low:z.2f} to {high:z.2f})"
