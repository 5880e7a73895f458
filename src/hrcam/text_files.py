"""What the project writes as text: JSON, and tab-separated tables as in BIDS."""

import csv
import io
import json
from collections.abc import Iterable, Sequence


def encode_json(content: object) -> bytes:
    """Encode plain content as indented JSON that ends with a new line."""
    return (json.dumps(content, indent=2) + "\n").encode()


def encode_tsv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """Encode rows under their columns; what is None or empty becomes "n/a"."""
    buffer = io.StringIO()
    table = csv.writer(buffer, delimiter="\t", lineterminator="\n")
    table.writerow(columns)
    for row in rows:
        table.writerow(["n/a" if value is None or value == "" else value for value in row])
    # Replaced, not refused: a file name that is not UTF-8 reaches us as lone surrogates.
    return buffer.getvalue().encode("utf-8", "replace")
