"""A cohort from a folder with one folder for each class."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from hrcam.cohort.naming import natural_order, unique_names
from hrcam.cohort.problems import Problem, Reason
from hrcam.cohort.reading import is_image
from hrcam.cohort.reasons import problem
from hrcam.cohort.scan import Cohort, Scan
from hrcam.errors import InputError

# Folders that sort images by something else than the class: taking them for classes would train
# a network to tell images from masks.
_NOT_CLASSES = frozenset(
    {"derivatives", "image", "images", "imgs", "label", "labels", "mask", "masks", "seg"}
    | {"segmentation", "segmentations", "sourcedata", "test", "train", "training", "val", "valid"}
    | {"validation"}
)
_MASK = re.compile(r"(?P<image>.+)_mask(?:_\d+)?", re.IGNORECASE)


@dataclass(frozen=True)
class _Found:
    """An image in the folder of a class, with the name that it would like."""

    label: str
    path: Path
    wanted: str
    participant: str
    below: bool  # in a folder of its participant
    masks: tuple[Path, ...]


def open_class_folders(folder: Path) -> Cohort:
    """Read images from folders that are named after their class.

    A folder of DICOM files is one scan, any other image file is one. Images directly in the
    folder of their class belong to a participant each, also if another class has a file of the
    same name, which is warned of. Images further down belong to the participant that the first
    folder is named after, whatever the class. ``NAME_mask.png`` next to ``NAME.png`` is its mask.

    Parameters
    ----------
    folder
        The folder that holds those of the classes. Entries that start with a dot are ignored.

    Returns
    -------
    Cohort
        Scans sorted by class and file name, counting as people do: 2 before 10.

    Raises
    ------
    InputError
        If no folder holds an image, or folders sort images by something else, as ``train`` and
        ``masks`` do.
    """
    classes = [entry for entry in _entries(folder) if entry.is_dir()]
    other = [entry.name for entry in classes if entry.name.casefold() in _NOT_CLASSES]
    if other:
        raise InputError(
            f"{folder} has folders named {', '.join(other)}, which are no classes: put one folder "
            "for each class there, or a participants.tsv with the columns participant_id, image "
            "and label"
        )
    by_class = {entry.name: list(_images_of_class(entry)) for entry in classes}
    problems = [
        problem("", label, Reason.MISSING, "no image in this folder", refused=False)
        for label, images in by_class.items()
        if not images
    ]
    found = [image for images in by_class.values() for image in images]
    if not found:
        raise InputError(
            f"{folder} has neither a participants.tsv with a column image nor folders with images "
            "named after their classes, and is no BIDS data set: see the documentation of cohorts"
        )
    files = Counter(name for _, name in {(f.label, f.participant) for f in found if not f.below})
    ambiguous = {name for name, count in files.items() if count > 1}
    if ambiguous:
        message = (
            f"{len(ambiguous)} file names occur in several classes, as {min(ambiguous)}: taken "
            "for different participants"
        )
        problems.append(problem("", "", Reason.DUPLICATE_NAME, message, refused=False))
    found = [
        replace(f, wanted=f"{f.label}_{f.wanted}", participant=f"{f.label}_{f.participant}")
        if not f.below and f.participant in ambiguous
        else f
        for f in found
    ]
    names = unique_names([(image.wanted, str(image.path)) for image in found])
    problems += [
        _several_masks(name, image, folder)
        for name, image in zip(names, found, strict=True)
        if len(image.masks) > 1
    ]
    scans = tuple(
        Scan(
            name=name,
            participant=image.participant,
            images={"image": image.path},
            label=image.label,
            mask=image.masks[0] if len(image.masks) == 1 else None,
            group=image.participant,
        )
        for name, image in zip(names, found, strict=True)
    )
    return Cohort(folder, ("image",), scans, tuple(problems))


def _several_masks(name: str, image: _Found, folder: Path) -> Problem:
    return Problem(
        name,
        str(image.path.relative_to(folder)),
        Reason.MASK_MISMATCH,
        f"{len(image.masks)} masks of one image: none is used",
        "combine them into one file that ends in _mask",
        refused=False,
    )


def _images_of_class(folder: Path) -> Iterator[_Found]:
    images = list(_images_below(folder))
    by_place = {path.parent / _stem(path): path for path in images}
    masks: dict[Path, list[Path]] = {}
    for path in images:
        match = _MASK.fullmatch(_stem(path))
        owner = match and by_place.get(path.parent / match["image"])
        if owner:
            masks.setdefault(owner, []).append(path)
    owned = {mask for several in masks.values() for mask in several}
    for path in images:
        if path in owned:
            continue
        parts = path.relative_to(folder).parts
        yield _Found(
            label=folder.name,
            path=path,
            wanted="_".join((*parts[:-1], _stem(path))),
            participant=_stem(path) if len(parts) == 1 else parts[0],
            below=len(parts) > 1,
            masks=tuple(masks.get(path, ())),
        )


def _images_below(folder: Path) -> Iterator[Path]:
    for entry in _entries(folder):
        if is_image(entry):
            yield entry
        elif entry.is_dir():
            yield from _images_below(entry)


def _entries(folder: Path) -> list[Path]:
    visible = (entry for entry in folder.iterdir() if not entry.name.startswith("."))
    return sorted(visible, key=lambda entry: natural_order(entry.name))


def _stem(path: Path) -> str:
    """Name without the suffix, which for ``.nii.gz`` is both; of a folder the whole name."""
    if path.is_dir():
        return path.name
    name = path.name
    if name.casefold().endswith(".gz"):
        name = name[:-3]
    return Path(name).stem
