"""A table as text, row by row: separated by commas, semicolons or tabs, or an Excel workbook."""

import csv
import io
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from hrcam.cohort.opening.workbook import SUFFIX, workbook_rows
from hrcam.cohort.reading.files import FETCH, is_broken_link, link_target, pointer_kind
from hrcam.cohort.several_labels import SEPARATOR, label_names, label_text
from hrcam.errors import InputError

SUFFIXES = (".tsv", ".csv", ".txt", SUFFIX)

# What spreadsheets, R, pandas, SQL and SAS write where there is no value, in any case.
_MISSING = frozenset(
    {"", ".", "n/a", "na", "n.a.", "nan", "-nan", "nat", "<na>", "none", "null", "nil"}
    | {"#n/a", "#na", "#null!", "#value!", "#ref!", "#name?", "#div/0!", "#num!"}
)
_NOT_TEXT = {
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
    b"PK\x03\x04": "an Excel workbook or another zip file, but not named .xlsx",
    b"\xd0\xcf\x11\xe0": "an old or encrypted Excel workbook",
}


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Attributes
    ----------
    line
        Line of the file where the row ends, counted from 1.
    cells
        Text by column, stripped; None where it is missing: empty, or ``n/a``, ``NA``, ``nan``,
        ``None``, ``NULL``, ``#N/A`` and the like, in any case.
    surplus
        True if the row has more cells than the table has columns.
    """

    line: int
    cells: Mapping[str, str | None]
    surplus: bool = False

    def get(self, column: str) -> str | None:
        """Text of a cell; None if it is missing, or the table has no such column."""
        return self.cells.get(column)


def further_cells(row: Row, read: Collection[str]) -> dict[str, str]:
    """Return the cells with a value in columns that are not among those that were read."""
    return {name: text for name, text in row.cells.items() if text is not None and name not in read}


@dataclass(frozen=True)
class Table:
    """All of a table as text: numbers keep their leading zeros.

    Attributes
    ----------
    path
        The file.
    columns
        In small letters and in order; columns without a name are left out.
    rows
        Without those that are blank.
    """

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    def with_column(self, name: str, column: str | None) -> "Table":
        """Return the table with another column, in any case, under a name; None leaves it.

        Raises
        ------
        InputError
            If there is no such column.
        """
        if column is None or column.casefold() == name:
            return self
        column = column.casefold()
        if column not in self.columns:
            raise InputError(
                f"{self.path} has no column {column!r}, only {', '.join(self.columns)}"
            )
        names = {one: name if one == column else one for one in self.columns if one != name}
        rows = (
            replace(row, cells={new: row.cells[old] for old, new in names.items()})
            for row in self.rows
        )
        return Table(self.path, tuple(names.values()), tuple(rows))

    def with_labels(self, columns: str | None) -> "Table":
        """Return the table with a column of several labels, by the names of theirs.

        Parameters
        ----------
        columns
            As "edema,effusion", in any case; of another form, or where it is a column itself, the
            table stays as it is.

        Raises
        ------
        InputError
            If there is no such column, or names do not fit, as `label_names`.
        """
        if columns is None or SEPARATOR not in columns or columns.casefold() in self.columns:
            return self
        names = [name.casefold() for name in label_names(columns)]
        if missing := [name for name in names if name not in self.columns]:
            raise InputError(
                f"{self.path} has no column {missing[0]!r}, only {', '.join(self.columns)}"
            )
        joined = columns.casefold()
        rows = (
            replace(row, cells={**row.cells, joined: label_text({n: row.get(n) for n in names})})
            for row in self.rows
        )
        return Table(self.path, (*self.columns, joined), tuple(rows))


def read_table(path: Path) -> Table:
    """Read a workbook, or text in UTF-8, with or without a byte-order mark, with any line endings.

    Parameters
    ----------
    path
        An ``.xlsx`` file, of which the first sheet is read, or a file separated by tabs, commas or
        semicolons; the header tells which.

    Returns
    -------
    Table
        Columns and rows.

    Raises
    ------
    InputError
        If it is not there, is no text, is not UTF-8, has a quotation mark without its partner,
        no row, or one column twice.
    """
    content = _content(path)
    if path.suffix.casefold() == SUFFIX:
        lines: Iterable[tuple[int, list[str]]] = workbook_rows(path)
    else:
        lines = _separated(path, _text(path, content))
    header: list[str] | None = None
    rows: list[Row] = []
    for line, cells in lines:
        cells = [cell.strip() for cell in cells]
        if not any(cells):
            continue
        if header is None:
            header = [name.casefold() for name in cells]
        else:
            rows.append(_row(header, cells, line))
    columns = tuple(name for name in header or () if name)
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise InputError(f"{path} has the column {twice[0]!r} twice: rename or delete one")
    if not rows:
        raise InputError(f"{path} has no rows: give it a header and one row for each scan")
    return Table(path, columns, tuple(rows))


def _separated(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=None), delimiter=_delimiter(text), strict=True)
    try:
        for cells in reader:
            yield reader.line_num, cells
    except csv.Error as error:
        raise InputError(
            f"{path}, line {reader.line_num}: {error}; give each quotation mark that opens a cell "
            "the one that closes it"
        ) from error


def _content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        if is_broken_link(path):
            message = f"{path} is a link to {link_target(path)}, which is not there: {FETCH}"
            raise InputError(message) from error
        raise InputError(f"{path} does not exist: check the path of the table") from error
    kind = pointer_kind(content)
    if kind is not None:
        fetch = "`git lfs pull` fetches it" if kind == "Git LFS" else FETCH
        name = kind.replace(" ", "-")
        raise InputError(f"{path} is a {name} pointer, not the table that it stands for: {fetch}")
    return content


def _text(path: Path, content: bytes) -> str:
    for start, kind in _NOT_TEXT.items():
        if content.startswith(start):
            raise InputError(f"{path} is {kind}: save it as CSV in UTF-8")
    if b"\0" in content:
        raise InputError(f"{path} is not a text file: save the table as CSV in UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path}, line {line}: byte 0x{content[error.start]:02x} is not UTF-8, so letters "
            "would be guessed; save the table as CSV in UTF-8 (Latin-1 and Windows-1252 are not)"
        ) from error


def _delimiter(text: str) -> str:
    """Of tab, comma and semicolon, what splits the header into most columns."""
    header = next((line for line in text.splitlines() if line.strip()), "")
    return max("\t,;", key=header.count)


def _row(header: list[str], cells: list[str], line: int) -> Row:
    """Pair cells with columns; editors drop empty cells at the end of a row, or add some."""
    padded = cells[: len(header)] + [""] * (len(header) - len(cells))
    pairs = zip(header, padded, strict=True)
    return Row(
        line=line,
        cells={name: None if cell.casefold() in _MISSING else cell for name, cell in pairs if name},
        surplus=any(cells[len(header) :]),
    )
