"""``dicom_stored.tsv`` of a folder of maps: which objects an archive has."""

from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from hrcam.artifacts.atomic import write_atomically
from hrcam.artifacts.formats import encode_tsv, optional_rows
from hrcam.artifacts.map_names import STORED


@dataclass(frozen=True)
class StoredObject:
    """An object that an archive has confirmed.

    Attributes
    ----------
    archive
        Its address.
    file
        Path in the folder of maps.
    sha256
        Of the file's content when it was sent.
    stored
        When, in UTC, as ISO 8601 has it.
    """

    archive: str
    file: str
    sha256: str
    stored: str


_COLUMNS = tuple(field.name for field in fields(StoredObject))


def read_stored(folder: Path) -> list[StoredObject]:
    """Read the table; no rows where nothing was sent.

    Raises
    ------
    InputError
        If it is damaged.
    """
    rows = optional_rows(folder / STORED, _COLUMNS)
    return [StoredObject(*(row[column] for column in _COLUMNS)) for row in rows]


def write_stored(folder: Path, rows: Iterable[StoredObject]) -> None:
    """Write the table."""
    write_atomically(folder / STORED, encode_tsv(_COLUMNS, map(astuple, rows)))
