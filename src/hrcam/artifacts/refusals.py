"""Tables of what could not be used: ``refused.tsv`` of a run, ``failures.tsv`` of maps."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Protocol

from hrcam.artifacts.formats import encode_tsv, optional_rows


@dataclass(frozen=True)
class Refusal:
    """A row: why a scan, or the input as a whole, could not be used.

    Attributes
    ----------
    scan
        Name of the scan; "" for the input as a whole.
    file
        Path; "" where it is not one file.
    reason
        A short code, such as "truncated".
    message
        What was found.
    advice
        What to do.
    """

    scan: str
    file: str
    reason: str
    message: str
    advice: str


class Refused(Protocol):
    """Whatever has the fields of a `Refusal`."""

    @property
    def scan(self) -> str: ...  # noqa: D102
    @property
    def file(self) -> str: ...  # noqa: D102
    @property
    def reason(self) -> str: ...  # noqa: D102
    @property
    def message(self) -> str: ...  # noqa: D102
    @property
    def advice(self) -> str: ...  # noqa: D102


REFUSAL_COLUMNS = tuple(field.name for field in fields(Refusal))


def refusal_fields(refused: Refused) -> tuple[str, ...]:
    """Return the fields of a row, in the order of `REFUSAL_COLUMNS`."""
    return tuple(str(getattr(refused, column)) for column in REFUSAL_COLUMNS)


def encode_refusals(refused: Iterable[Refused]) -> bytes:
    """Encode a table with one row for each."""
    return encode_tsv(REFUSAL_COLUMNS, map(refusal_fields, refused))


def read_refusals(path: Path) -> tuple[Refusal, ...]:
    """Read such a table; no rows where there is no such file."""
    rows = optional_rows(path, REFUSAL_COLUMNS)
    return tuple(Refusal(*(row[column] for column in REFUSAL_COLUMNS)) for row in rows)
