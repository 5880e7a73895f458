"""Open a cohort, whichever way it is laid out."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from hrcam.cohort.naming import is_plain_text, same_when_read
from hrcam.cohort.opening.bids import is_bids, open_bids
from hrcam.cohort.opening.class_folders import open_class_folders
from hrcam.cohort.opening.image_files import content_problems, find_images
from hrcam.cohort.opening.participants import image_columns, open_table
from hrcam.cohort.opening.table import SUFFIXES, read_table
from hrcam.cohort.opening.unlabelled import open_unlabelled
from hrcam.cohort.problems import Problem, Reason
from hrcam.cohort.reading.files import is_broken_link
from hrcam.cohort.reasons import problem
from hrcam.cohort.scan import Cohort
from hrcam.errors import InputError

TABLES = ("participants.tsv", "participants.csv")
"""Names of the table in a folder; the first that is there counts."""


def open_cohort(path: str | Path, *, suffix: str | None = None) -> Cohort:
    """Find the scans of a cohort; no image is decoded yet.

    A cohort is one of these:

    - a folder with a ``participants.tsv`` (or, without one, a ``participants.csv``) that has the
      columns ``participant_id`` and ``image`` (or ``image_NAME`` for each of several channels),
      and if there are any ``label``, ``mask``, ``group`` (scans that must not be split),
      ``split`` (train, validation or test), ``site`` and ``session``;
    - such a table anywhere, as TSV or CSV;
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

    Returns
    -------
    Cohort
        Its scans, and as ``problems`` the rows that were refused. A scan is named after its
        participant and session; the name is safe as a file name, and stays the same in whatever
        order the rows come.

    Raises
    ------
    InputError
        If there is no cohort at the path, or its table is broken as a whole.
    """
    path = Path(path)
    if path.is_dir():
        cohort = _open_folder(path, suffix)
    elif not path.exists() and not is_broken_link(path):
        raise InputError(f"{path} does not exist: give a folder or a table")
    elif path.suffix.casefold() in SUFFIXES:
        _refuse_suffix(suffix, path)
        cohort = open_table(path, source=path)
    else:
        raise InputError(
            f"{path} is no cohort: give a folder, or a table that ends in {', '.join(SUFFIXES)}"
        )
    cohort = _without_odd_text(cohort)
    participants = _lookalikes("participants", (scan.participant for scan in cohort.scans))
    classes = _lookalikes("classes", cohort.classes)
    return replace(cohort, problems=(*cohort.problems, *participants, *classes))


def _open_folder(folder: Path, suffix: str | None) -> Cohort:
    tables = [folder / name for name in TABLES]
    table = next((path for path in tables if path.is_file() or is_broken_link(path)), None)
    if table and image_columns(read_table(table)):
        _refuse_suffix(suffix, folder)
        return open_table(table, source=folder)
    if is_bids(folder):
        return open_bids(folder, suffix)
    _refuse_suffix(suffix, folder)
    if table:
        return open_table(table, source=folder)  # which says what its table lacks
    content = find_images(folder)
    images = content.images
    cohort = open_unlabelled(folder, images) or open_class_folders(folder, images)
    return replace(cohort, problems=(*cohort.problems, *content_problems(folder, content)))


def _refuse_suffix(suffix: str | None, path: Path) -> None:
    if suffix is not None:
        raise InputError(f"suffix is {suffix!r}, but {path} is no BIDS data set: leave it out")


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
