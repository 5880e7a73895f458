"""A cohort from a table with one row for each scan."""

from collections.abc import Mapping
from pathlib import Path

from hrcam.cohort.naming import unique_names
from hrcam.cohort.opening.table import Row, Table, further_cells, read_table
from hrcam.cohort.problems import Problem, Reason
from hrcam.cohort.reasons import problem
from hrcam.cohort.scan import Cohort, Scan
from hrcam.errors import InputError

SPLITS = ("train", "validation", "test")

_READ = ("participant_id", "label", "mask", "group", "split")


def open_table(
    path: Path, source: Path, *, label_column: str | None = None, image_column: str | None = None
) -> Cohort:
    """Read a table with the columns ``participant_id`` and ``image``.

    Parameters
    ----------
    path
        The table. Paths in it are relative to its folder; absolute ones, and those that lead
        out of the folder, are read as they are. A backslash, as Windows writes it, is read as a
        slash where only that leads to a file.
    source
        What the cohort is said to have been opened from.
    label_column, image_column
        Names of columns that are read as ``label`` and ``image``; None for those themselves.

    Returns
    -------
    Cohort
        Scans in the order of the rows. Where there is no column ``image``, each column
        ``image_NAME`` is a channel of that name.

    Raises
    ------
    InputError
        If the file is no such table.
    """
    table = read_table(path).with_labels(label_column)
    table = table.with_column("label", label_column).with_column("image", image_column)
    channels = image_columns(table)
    if "participant_id" not in table.columns or not channels:
        missing = "participant_id" if channels else "image"
        raise InputError(
            f"{path} has no column {missing!r}, only {', '.join(table.columns)}: it needs "
            "participant_id and image (or image_NAME for each of several channels), and label "
            "for training; --image-column and --label-column name columns of other names"
        )
    problems: list[Problem] = []
    rows: list[Row] = []
    for row in table.rows:
        found = _problem(row, channels)
        if found is None:
            rows.append(row)
        else:
            problems.append(found)
    names = unique_names([(_wanted(row), "\t".join(_images(row, channels))) for row in rows])
    scans = tuple(
        _scan(name, row, channels, path.parent) for name, row in zip(names, rows, strict=True)
    )
    return Cohort(source, tuple(channels), scans, tuple(problems))


def image_columns(table: Table) -> Mapping[str, str]:
    """Columns that hold images, by the name of the channel."""
    if "image" in table.columns:  # image_source, image_date are then about it
        return {"image": "image"}
    return {
        name.removeprefix("image_"): name
        for name in table.columns
        if name.startswith("image_") and name != "image_"
    }


def known_split(text: str | None) -> str | None:
    """Spell a split as `SPLITS` does; what is none of them stays, to be reported."""
    if text is None:
        return None
    plain = text.casefold()
    plain = {"val": "validation", "training": "train"}.get(plain, plain)
    return plain if plain in SPLITS else text


def _problem(row: Row, channels: Mapping[str, str]) -> Problem | None:
    where = f"line {row.line}"
    if row.surplus:
        return problem("", "", Reason.BAD_ROW, f"{where}: more cells than columns")
    participant = row.get("participant_id")
    if participant is None:
        return problem("", "", Reason.BAD_NAME, f"{where}: no participant_id")
    if participant == "." or any(part in participant for part in ("..", "/", "\\")):
        message = f"{where}: the participant_id {participant!r} reads as a path"
        return problem("", "", Reason.BAD_NAME, message)
    for column in channels.values():
        if row.get(column) is None:
            return problem(
                participant, "", Reason.MISSING, f"{where}: nothing in the column {column}"
            )
    return None


def _wanted(row: Row) -> str:
    participant, session = row.cells["participant_id"], row.get("session")
    if session is None:
        return str(participant)
    return f"{participant}_ses-{session.removeprefix('ses-')}"


def _images(row: Row, channels: Mapping[str, str]) -> list[str]:
    return [row.cells[column] or "" for column in channels.values()]


def _scan(name: str, row: Row, channels: Mapping[str, str], folder: Path) -> Scan:
    participant = row.cells["participant_id"] or ""
    mask = row.get("mask")
    return Scan(
        name=name,
        participant=participant,
        images={
            channel: _path(folder, text)
            for channel, text in zip(channels, _images(row, channels), strict=True)
        },
        label=row.get("label"),
        mask=None if mask is None else _path(folder, mask),
        group=row.get("group") or participant,
        split=known_split(row.get("split")),
        site=row.get("site"),
        columns=further_cells(row, {*_READ, *channels.values()}),
    )


def _path(folder: Path, text: str) -> Path:
    """Join a path of a table to its folder, also where it was written on Windows."""
    path = folder / text
    if "\\" in text and not _exists(path):
        slashed = folder / text.replace("\\", "/")
        return slashed if _exists(slashed) else path
    return path


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that no disk allows: missing, as will be found
        return False
