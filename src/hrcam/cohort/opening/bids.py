"""A cohort from a BIDS data set: images by their suffix, labels from participants.tsv."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from hrcam.cohort.naming import natural_order, unique_names
from hrcam.cohort.opening.participants import known_split
from hrcam.cohort.opening.table import Row, Table, further_cells, read_table
from hrcam.cohort.problems import Problem, Reason
from hrcam.cohort.reading import is_image
from hrcam.cohort.reading.files import is_broken_link
from hrcam.cohort.reasons import problem
from hrcam.cohort.scan import Cohort, Scan
from hrcam.errors import InputError

_LABELS = ("label", "diagnosis", "group")
_READ = ("participant_id", "session_id", "label", "group", "split")

NATIVE, NO_DESC = "native", "none"
"""What images without the entities ``space-`` and ``desc-`` are chosen by."""


@dataclass(frozen=True)
class _BidsFile:
    """An image with what its name says: ``sub-01_ses-02_run-1_T1w.nii.gz``."""

    path: Path
    subject: str
    session: str | None
    entities: str
    suffix: str

    @property
    def space(self) -> str:
        """Space, with the resolution if it has one: ``MNI152NLin6Asym:res-2``."""
        space, res = self.entity("space"), self.entity("res")
        return (space or NATIVE) + (f":res-{res}" if res else "")

    @property
    def desc(self) -> str:
        """What was done to the image."""
        return self.entity("desc") or NO_DESC

    def entity(self, name: str) -> str | None:
        """Value of an entity: of "ses", "02"; None if the name has none."""
        parts = (part.partition("-") for part in self.entities.split("_"))
        return next((value for key, _, value in parts if key == name), None)


def is_bids(folder: Path) -> bool:
    """Tell whether a folder is a BIDS data set, as its description or its folders say."""
    description = folder / "dataset_description.json"
    return (
        description.is_file()
        or is_broken_link(description)
        or any(entry.is_dir() for entry in folder.glob("sub-*"))
    )


def open_bids(
    folder: Path,
    suffix: str | None,
    *,
    space: str | None = None,
    desc: str | None = None,
    label_column: str | None = None,
) -> Cohort:
    """Read the images of one suffix, all sessions, acquisitions and runs of each subject.

    The class is in the column ``label`` of participants.tsv, else ``diagnosis``, else ``group``;
    ``sub-XX_sessions.tsv`` may give a session a class of its own. A column ``group`` that is not
    the class keeps subjects together. Derivatives inside the data set are not read.

    Parameters
    ----------
    folder
        The root of the data set.
    suffix
        What the images are called at the end, as ``T1w``; needed where there are several.
    space
        Of derivatives that were resampled to several: ``MNI152NLin2009cAsym``, or ``native`` for
        images without the entity; ``MNI152NLin6Asym:res-2`` where there are several resolutions.
    desc
        Of derivatives of several: ``preproc``, or ``none`` for images without the entity.
    label_column
        Column of the class; None for one of the above.

    Returns
    -------
    Cohort
        Scans sorted by subject and file name; a scan is named as its file, without the suffix.

    Raises
    ------
    InputError
        If no image has the suffix, space or desc, or there are several and none was chosen: the
        copies of an image in several spaces are no scans of their own. Or if there is no such
        column.
    """
    files = [file for subject in _folders(folder, "sub-*") for file in _images_of(subject)]
    chosen = _suffix(folder, files, suffix)
    files = [file for file in files if file.suffix == chosen]
    # Both choices before either is missed: one of them may leave one value of the other.
    files = _matching(folder, files, space, "space")
    files = _matching(folder, files, desc, "desc")
    _check_one(folder, files, "space")
    _check_one(folder, files, "desc")
    path = folder / "participants.tsv"
    table = None
    if path.is_file() or is_broken_link(path):
        table = read_table(path).with_labels(label_column)
    rows, problems = _subjects(table, path) if table else ({}, [])
    label = _label_column(folder, table, label_column)
    sessions = {
        subject: _sessions(folder / subject / f"{subject}_sessions.tsv")
        for subject in {file.subject for file in files}
    }
    names = unique_names([(file.entities, str(file.path)) for file in files])
    scans = tuple(
        _scan(name, file, rows.get(file.subject), sessions[file.subject], label)
        for name, file in zip(names, files, strict=True)
    )
    unseen = sorted(rows.keys() - {file.subject for file in files}, key=natural_order)
    problems += [
        problem(
            "",
            "participants.tsv",
            Reason.MISSING,
            f"{subject} has no image of the suffix {chosen}",
            refused=False,
        )
        for subject in unseen
    ]
    described_twice = {found.scan for found in problems if found.refused}
    kept = tuple(scan for scan in scans if scan.participant not in described_twice)
    return Cohort(folder, ("image",), kept, tuple(problems))


def _label_column(folder: Path, table: Table | None, wanted: str | None) -> str | None:
    columns = table.columns if table else ()
    if wanted is not None and wanted.casefold() not in columns:
        found = f"only {', '.join(columns)}" if columns else "as there is none"
        raise InputError(f"the participants.tsv of {folder} has no column {wanted!r}, {found}")
    return wanted.casefold() if wanted else next((n for n in _LABELS if n in columns), None)


def _suffix(folder: Path, files: list[_BidsFile], wanted: str | None) -> str:
    counts = Counter(file.suffix for file in files)
    found = _listed(counts)
    if not counts:
        raise InputError(f"{folder} is a BIDS data set without images below its folders sub-*")
    if wanted is None and len(counts) > 1:
        raise InputError(f"{folder} has images of several suffixes: choose one of {found}")
    if wanted is not None and wanted not in counts:
        raise InputError(f"{folder} has no image of the suffix {wanted!r}: choose one of {found}")
    return wanted or next(iter(counts))


def _matching(
    folder: Path, files: list[_BidsFile], wanted: str | None, entity: str
) -> list[_BidsFile]:
    if wanted is None:
        return files
    found = Counter(getattr(file, entity) for file in files)
    chosen = [name for name in found if name == wanted or name.split(":")[0] == wanted]
    if not chosen:
        raise InputError(
            f"{folder} has no such image of the {entity} {wanted!r}: choose one of {_listed(found)}"
        )
    return [file for file in files if getattr(file, entity) in chosen]


def _check_one(folder: Path, files: list[_BidsFile], entity: str) -> None:
    found = Counter(getattr(file, entity) for file in files)
    if len(found) > 1:
        raise InputError(
            f"{folder} has the same images in several versions, which would count as scans of "
            f"their own: choose one {entity} with --{entity} ({entity}=...): {_listed(found)}"
        )


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} ({count})" for name, count in counts.most_common())


def _images_of(subject: Path) -> Iterator[_BidsFile]:
    for parent in (subject, *_folders(subject, "ses-*")):
        for kind in _folders(parent, "*"):
            if kind.name.startswith("ses-"):
                continue
            for path in sorted(kind.iterdir(), key=lambda entry: natural_order(entry.name)):
                name = path.name.split(".")[0]
                entities, _, suffix = name.rpartition("_")
                if f"{entities}_".startswith(f"{subject.name}_") and is_image(path):
                    session = None if parent == subject else parent.name
                    yield _BidsFile(path, subject.name, session, entities, suffix)


def _folders(folder: Path, pattern: str) -> list[Path]:
    visible = (e for e in folder.glob(pattern) if e.is_dir() and not e.name.startswith("."))
    return sorted(visible, key=lambda entry: natural_order(entry.name))


def _subjects(table: Table, path: Path) -> tuple[dict[str, Row], list[Problem]]:
    """Rows by subject, and what is wrong with them."""
    if "participant_id" not in table.columns:
        raise InputError(
            f"{path} has no column 'participant_id', only {', '.join(table.columns)}: BIDS asks "
            "for it"
        )
    rows: dict[str, Row] = {}
    problems = []
    for row in table.rows:
        if row.surplus:
            message = f"line {row.line}: more cells than columns"
            problems.append(problem("", path.name, Reason.BAD_ROW, message))
            continue
        text = row.get("participant_id")
        if text is None:
            message = f"line {row.line}: no participant_id"
            problems.append(problem("", path.name, Reason.BAD_NAME, message))
            continue
        subject = text if text.startswith("sub-") else f"sub-{text}"
        if subject in rows and rows[subject].cells != row.cells:
            message = f"line {row.line}: another row describes {subject} otherwise"
            problems.append(problem(subject, path.name, Reason.DUPLICATE_NAME, message))
        rows[subject] = row
    return rows, problems


def _sessions(path: Path) -> Mapping[str, Row]:
    """Rows of the sessions of a subject, by their names; none where there is no such table."""
    if not (path.is_file() or is_broken_link(path)):
        return {}
    table = read_table(path)
    if "session_id" not in table.columns:
        raise InputError(f"{path} has no column 'session_id': BIDS asks for it")
    named = ((row.get("session_id"), row) for row in table.rows)
    return {f"ses-{name.removeprefix('ses-')}": row for name, row in named if name}


def _scan(
    name: str,
    file: _BidsFile,
    row: Row | None,
    sessions: Mapping[str, Row],
    label: str | None,
) -> Scan:
    described = [r for r in (sessions.get(file.session or ""), row) if r is not None]

    def value(column: str) -> str | None:
        return next((text for r in described if (text := r.get(column)) is not None), None)

    columns: dict[str, str] = {}
    for each in reversed(described):  # a session may know better
        columns |= further_cells(each, {*_READ, label or ""})
    return Scan(
        name=name,
        participant=file.subject,
        images={"image": file.path},
        label=value(label) if label else None,
        group=(row.get("group") if row and label != "group" else None) or file.subject,
        split=known_split(value("split")),
        site=value("site"),
        columns=columns,
    )
