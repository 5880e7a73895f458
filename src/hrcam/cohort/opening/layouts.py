"""Open a cohort, whichever way it is laid out."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

from hrcam.cohort.image import Colour
from hrcam.cohort.naming import is_plain_text, same_when_read
from hrcam.cohort.opening.bids import is_bids, open_bids
from hrcam.cohort.opening.class_folders import open_class_folders
from hrcam.cohort.opening.grouping import grouped_by, several_versions, shared_names
from hrcam.cohort.opening.image_files import content_problems, find_images
from hrcam.cohort.opening.name_groups import compiled
from hrcam.cohort.opening.participants import image_columns, open_table
from hrcam.cohort.opening.table import SUFFIXES, read_table
from hrcam.cohort.opening.unlabelled import open_unlabelled
from hrcam.cohort.problems import Problem, Reason
from hrcam.cohort.reading.files import is_broken_link
from hrcam.cohort.reasons import problem
from hrcam.cohort.scan import Cohort
from hrcam.errors import InputError

TABLES = ("participants.tsv", "participants.csv", "participants.xlsx")
"""Names of the table in a folder; the first that is there counts."""


Layout = Literal["table", "bids", "names"]
"""What tells whose an image is: a table, a BIDS data set, or names of folders and files."""


def open_cohort(
    path: str | Path,
    *,
    suffix: str | None = None,
    space: str | None = None,
    desc: str | None = None,
    group_by: str | None = None,
    label_column: str | None = None,
    image_column: str | None = None,
    colour: Colour = "luminance",
) -> Cohort:
    r"""Find the scans of a cohort; no image is decoded yet.

    A cohort is one of these:

    - a folder with a ``participants.tsv`` (or, without one, a ``.csv`` or ``.xlsx``) that has the
      columns ``participant_id`` and ``image`` (or ``image_NAME`` for each of several channels),
      and if there are any ``label``, ``mask``, ``group`` (scans that must not be split),
      ``split`` (train, validation or test), ``site`` and ``session``;
    - such a table anywhere, as TSV, CSV or Excel workbook;
    - a BIDS data set;
    - a folder with one folder for each class;
    - to be mapped, without labels: a folder of images, or one with nothing but a DICOM series.

    Empty cells and ``n/a``, ``NA``, ``nan``, ``None``, ``NULL`` and the like mean missing, in every
    column. Identifiers are text: 007 stays 007.

    Parameters
    ----------
    path
        The folder or the table.
    suffix
        Of the images of a BIDS data set, as ``T1w``; needed where it has several.
    space, desc
        Of BIDS derivatives: ``MNI152NLin2009cAsym``, ``preproc``; ``native`` and ``none`` for
        images whose names have none. Needed where there are several.
    group_by
        A regular expression that is searched in the name of each image, without its suffix. What
        it has in brackets, or else all that it matches, names the participant: ``(person\d+)_``.
        In tables and BIDS data sets, which name participants, it names the group.
    label_column, image_column
        Of a table: columns that are read as ``label`` and ``image``. Of a BIDS data set: the column
        of the class in its ``participants.tsv``. Several columns of yes and no are several labels:
        "edema,effusion".
    colour
        What becomes of pictures in colour: their luminance, or "rgb" for three channels.

    Returns
    -------
    Cohort
        Its scans, and as ``problems`` the rows that were refused. A scan is named after its
        participant and session; the name is safe as a file name, and stays the same in whatever
        order the rows come.

    Raises
    ------
    InputError
        If there is no cohort at the path, its table is broken as a whole, or an option does not
        fit it.
    """
    path = Path(path)
    pattern = None if group_by is None else compiled(group_by)
    layout = layout_of(path, image_column)
    _check_options(path, layout, {"suffix": suffix, "space": space, "desc": desc})
    if layout == "names":
        for name, column in {"label_column": label_column, "image_column": image_column}.items():
            if column is not None:
                raise InputError(f"{name} is {column!r}, but {path} has no table: leave it out")
    if layout == "bids":
        cohort = open_bids(path, suffix, space=space, desc=desc, label_column=label_column)
    elif layout == "table":
        cohort = open_table(
            _table_in(path) or path,
            source=path,
            label_column=label_column,
            image_column=image_column,
        )
    else:
        cohort = _open_by_names(path, pattern)
    if pattern is not None:
        cohort = grouped_by(cohort, pattern, told=layout != "names")
    cohort = _without_odd_text(cohort)
    scans = tuple(replace(scan, colour=colour) for scan in cohort.scans)
    participants = _lookalikes("participants", (scan.participant for scan in scans))
    classes = _lookalikes("classes", cohort.classes)
    names = [*shared_names(scans), *(several_versions(scans) if layout == "names" else ())]
    return replace(
        cohort, scans=scans, problems=(*cohort.problems, *participants, *classes, *names)
    )


def layout_of(path: Path, image_column: str | None = None) -> Layout:
    """Tell the layout of a cohort, in which a column of images may have a name of its own.

    Raises
    ------
    InputError
        If there is nothing at the path, or a file that is no table.
    """
    if not path.is_dir():
        if not path.exists() and not is_broken_link(path):
            raise InputError(f"{path} does not exist: give a folder or a table")
        if path.suffix.casefold() in SUFFIXES:
            return "table"
        raise InputError(
            f"{path} is no cohort: give a folder, or a table that ends in {', '.join(SUFFIXES)}"
        )
    table = _table_in(path)
    if table and (image_column is not None or image_columns(read_table(table))):
        return "table"
    if is_bids(path):
        return "bids"
    return "table" if table else "names"  # reading the table says what it lacks


def columns_of(path: Path) -> tuple[str, ...]:
    """Return the columns of the table of a cohort, in small letters; none without a table."""
    table = _table_in(path) if path.is_dir() else path
    return () if table is None else read_table(table).columns


def _table_in(folder: Path) -> Path | None:
    tables = [folder / name for name in TABLES]
    return next((path for path in tables if path.is_file() or is_broken_link(path)), None)


def _check_options(path: Path, layout: Layout, options: Mapping[str, str | None]) -> None:
    for name, value in options.items():
        if value is not None and layout != "bids":
            raise InputError(f"{name} is {value!r}, but {path} is no BIDS data set: leave it out")


def _open_by_names(folder: Path, pattern: re.Pattern[str] | None) -> Cohort:
    content = find_images(folder)
    images = content.images
    cohort = open_unlabelled(folder, images, group_by=pattern)
    cohort = cohort or open_class_folders(folder, images, group_by=pattern)
    return replace(cohort, problems=(*cohort.problems, *content_problems(folder, content)))


def _without_odd_text(cohort: Cohort) -> Cohort:
    """Refuse scans with a line break or a broken letter in what goes into tables and files."""
    kept, problems = [], list(cohort.problems)
    for scan in cohort.scans:
        paths = [path for path in (*scan.images.values(), scan.mask) if path is not None]
        texts = (scan.participant, scan.label, scan.group, scan.split, scan.site)
        odd = [
            text
            for text in (*filter(None, texts), *(cohort.shown(path) for path in paths))
            if not is_plain_text(text)
        ]
        if odd:
            message = f"{odd[0]!r} contains a control character or is no valid Unicode"
            problems.append(problem(scan.name, "", Reason.BAD_NAME, message))
        else:
            kept.append(scan)
    return replace(cohort, scans=tuple(kept), problems=tuple(problems))


def _lookalikes(what: str, names: Iterable[str]) -> list[Problem]:
    """Warn of names that are two by their spelling only: of one person or class, most likely."""
    spellings: defaultdict[str, set[str]] = defaultdict(set)
    for name in names:
        spellings[same_when_read(name)].add(name)
    return [
        problem(
            "",
            "",
            Reason.DUPLICATE_NAME,
            f"taken for different {what}: {', '.join(map(repr, sorted(several)))}",
            refused=False,
        )
        for several in spellings.values()
        if len(several) > 1
    ]
