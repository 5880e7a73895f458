"""JSON with a format version, and tab-separated tables as in BIDS: encoded and read."""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hrcam.errors import InputError, NewerFormatError, OlderFormatError

FORMAT, BIDS_FORMAT = "format", "Format"
"""Key of the format version in a JSON file of ours, and in one with the key style of BIDS."""


def read_object(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds one object.

    Raises
    ------
    InputError
        If it is missing, damaged, or holds something else.
    """
    text = _text(path)
    try:
        content = json.loads(text)
    except ValueError as error:
        raise InputError(f"{path} is not valid JSON ({error}): make it again") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} holds no JSON object: make it again")
    return content


def read_versioned(path: Path, newest: int, oldest: int = 1) -> dict[str, Any]:
    """Read a JSON object and take the format version out of it; without one it has format 1.

    Parameters
    ----------
    path
        The file.
    newest
        The newest format that this version of hrcam reads.
    oldest
        The oldest one.

    Raises
    ------
    NewerFormatError
        If the file has a newer one.
    OlderFormatError
        If the file has an older one.
    InputError
        If the file is missing, damaged, or holds something else.
    """
    return take_version(read_object(path), path, newest, oldest)


def take_version(
    content: Mapping[str, Any], path: Path, newest: int, oldest: int = 1
) -> dict[str, Any]:
    """Return the content of a JSON file without its format version; raises as `read_versioned`."""
    found = content.get(FORMAT, content.get(BIDS_FORMAT, 1))
    if type(found) is not int or found < 1:
        raise InputError(f"{path} has the format {found!r}, which does not exist: make it again")
    if found > newest:
        raise NewerFormatError(
            f"{path} has the format {found}, and this version of hrcam reads formats up to "
            f"{newest}: update hrcam, or make the file again in a new folder"
        )
    if found < oldest:
        raise OlderFormatError(
            f"{path} has the format {found}, which this version of hrcam no longer reads: make it "
            "again in a new folder, or use the version that made it"
        )
    return {key: value for key, value in content.items() if key not in (FORMAT, BIDS_FORMAT)}


def read_rows(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """Read a table separated by tabs; what is missing ("n/a" or empty) comes as "".

    Raises
    ------
    InputError
        If it is missing, a row is cut short, or it lacks one of the columns.
    """
    reader = csv.DictReader(io.StringIO(_text(path), newline=""), delimiter="\t")
    missing = [column for column in columns if column not in (reader.fieldnames or ())]
    if missing:
        raise InputError(f"{path} has no column {', '.join(missing)}: make it again")
    rows = []
    for number, row in enumerate(reader, start=1):
        if None in row or None in row.values():
            raise InputError(f"{path}: row {number} has not as many fields as the header")
        rows.append({key: "" if value == "n/a" else value for key, value in row.items()})
    return rows


def optional_rows(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """Read a table as `read_rows` does; no rows where there is no such file."""
    return read_rows(path, columns) if path.exists() else []


def _text(path: Path) -> str:
    try:
        # Replaced, not refused: names that are not UTF-8 are shown, never looked up.
        return path.read_bytes().decode("utf-8-sig", "replace")
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing: was it stopped before it was done?") from error


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
