"""A cohort from a folder with one folder for each class."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hrcam.cohort.opening.folder_names import refuse_folders_of_no_class
from hrcam.cohort.opening.image_files import FoundImage, cohort_of, identify, visible
from hrcam.cohort.problems import Problem, Reason
from hrcam.cohort.reading.files import is_folder
from hrcam.cohort.reasons import problem
from hrcam.cohort.scan import Cohort
from hrcam.errors import InputError

_TABLES = (".csv", ".tsv")


def open_class_folders(
    folder: Path, images: Sequence[Path], *, group_by: re.Pattern[str] | None = None
) -> Cohort:
    """Read images from folders that are named after their class.

    A folder with a DICOM series is one scan, any other image file is one. Whose an image is, is
    told by `hrcam.cohort.opening.image_files.identify`. Where nothing but the name of the file
    tells it, two files of one name in different classes belong to different participants, which
    is warned of. ``NAME_mask.png`` next to ``NAME.png`` is its mask.

    Parameters
    ----------
    folder
        The folder that holds those of the classes. Entries that start with a dot are ignored.
    images
        All that are below it: see `hrcam.cohort.opening.image_files.find_images`.
    group_by
        What it has in brackets is the participant, in names without suffix.

    Returns
    -------
    Cohort
        Scans sorted by class and file name, counting as people do: 2 before 10.

    Raises
    ------
    InputError
        If no folder holds an image, if folders sort images by something else than the class, as
        ``train`` and ``masks`` do, or if there is a table that may say what the classes are.
    """
    entries = visible(folder)
    classes = [entry for entry in entries if entry.is_dir()]
    _check_layout(folder, entries, classes, images)
    below: defaultdict[str, list[Path]] = defaultdict(list)
    for path in images:
        below[path.relative_to(folder).parts[0]].append(path)
    by_class = {
        entry.name: identify(below[entry.name], entry, entry.name, group_by=group_by)
        for entry in classes
    }
    found = [image for several in by_class.values() for image in several]
    if not found:
        raise InputError(
            f"{folder} has neither a participants.tsv with a column image nor folders with images "
            "named after their classes, and is no BIDS data set: see the documentation of cohorts"
        )
    problems = [
        problem("", label, Reason.MISSING, "no image in this folder", refused=False)
        for label, several in by_class.items()
        if not several
    ]
    problems += _outside(folder, images)
    found, several = _told_apart(found)
    return cohort_of(folder, found, (*problems, *several))


def _check_layout(
    folder: Path, entries: Sequence[Path], classes: Sequence[Path], images: Sequence[Path]
) -> None:
    tables = [entry for entry in entries if entry.suffix.casefold() in _TABLES]
    if tables:
        raise InputError(
            f"{folder} has a table that is not read, {tables[0].name}, because it is not called "
            f"participants.tsv: give the table itself ({tables[0]}), or move it elsewhere if the "
            "folders say what the classes are"
        )
    refuse_folders_of_no_class(folder, [entry.name for entry in classes], images)


def _outside(folder: Path, images: Sequence[Path]) -> list[Problem]:
    """Warn of images that are in no class's folder."""
    outside = [path.name for path in images if path.parent == folder and not is_folder(path)]
    if not outside:
        return []
    return [
        Problem(
            "",
            outside[0],
            Reason.NO_LABEL,
            f"{len(outside)} images are beside the folders of the classes, and are left out",
            "move each into the folder of its class",
            refused=False,
        )
    ]


def _told_apart(found: Sequence[FoundImage]) -> tuple[list[FoundImage], list[Problem]]:
    """Tell participants of different classes apart where only their files have one name."""
    classes: defaultdict[tuple[str, bool], set[str | None]] = defaultdict(set)
    for image in found:
        classes[image.participant, image.told].add(image.label)
    shared = [key for key, labels in classes.items() if len(labels) > 1]
    same = {name for name, told in shared if told}
    different = {name for name, told in shared if not told}
    problems = []
    if same:
        problems.append(
            Problem(
                "",
                "",
                Reason.DUPLICATE_NAME,
                f"{len(same)} participants are in several classes, as {min(same)!r}: each is taken "
                "for one person",
                "give them different names if they are different people",
                refused=False,
            )
        )
    if different:
        message = (
            f"{len(different)} file names occur in several classes, as {min(different)}: taken for "
            "different participants"
        )
        problems.append(problem("", "", Reason.DUPLICATE_NAME, message, refused=False))
    renamed = [
        replace(f, name=f"{f.label}_{f.name}", participant=f"{f.label}_{f.participant}")
        if not f.told and f.participant in different
        else f
        for f in found
    ]
    return renamed, problems
