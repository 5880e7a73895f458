"""Folders that sort images by something else than the class: images and masks, or splits.

Taking them for classes would train a network to tell images from masks.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from hrcam.cohort.reading.files import is_folder
from hrcam.errors import InputError

_SPLIT = r"(?:train|training|test|testing|val|valid|validation|dev|holdout)"
_SPLITS = re.compile(rf"{_SPLIT}(?:[ _-]?(?:set|data|images))?|(?:fold|split)[ _-]?\d+")
# nnU-Net's imagesTr and labelsTs, masks_train, ground_truth, ...
_END = rf"(?:[ _-]?(?:tr|ts|{_SPLIT}|\d?d|png|nii|nifti))?"
_IMAGES = re.compile(rf"(?:(?:{_SPLIT}|input)[ _-])?(?:images?|imgs?|input|scans|volumes){_END}")
_MASKS = re.compile(
    rf"(?:{_SPLIT}[ _-])?(?:labels?|masks?|segs?|segmentations?|annotations?|ground[ _-]?truths?"
    rf"|gts?|contours?|rois?){_END}"
)
_OTHER = frozenset({"derivatives", "sourcedata", "rawdata"})


def refuse_folders_of_no_class(
    folder: Path, classes: Sequence[str], images: Sequence[Path]
) -> None:
    """Refuse a folder whose folders, or those below, are no classes and no participants.

    Parameters
    ----------
    folder
        The cohort.
    classes
        Names of its folders.
    images
        All that are in it.

    Raises
    ------
    InputError
        If a folder is named as one of images, masks, a split, or data of another kind; below the
        classes, if it would be taken for a participant, or holds masks.
    """
    wrong = [name for name in classes if name.casefold() in _OTHER or _is_no_participant(name)]
    if wrong:
        raise InputError(
            f"{folder} has folders named {', '.join(wrong)}, which are no classes: {_advice(wrong)}"
        )
    below = {part for path in images for part in _no_participants(folder, path)}
    if below:
        raise InputError(
            f"{folder} has folders named {', '.join(sorted(below))} in those of the classes, which "
            f"are no participants: {_advice(sorted(below))}"
        )


def _no_participants(folder: Path, image: Path) -> list[str]:
    """List folders on the way from a class to an image that hold masks, or name no participant."""
    parts = image.relative_to(folder).parts[1:]
    inner = parts if is_folder(image) else parts[:-1]
    return [
        part
        for place, part in enumerate(inner)
        if _MASKS.fullmatch(part.casefold()) or (place == 0 and _is_no_participant(part))
    ]


def _is_no_participant(name: str) -> bool:
    return any(kind.fullmatch(name.casefold()) for kind in (_SPLITS, _IMAGES, _MASKS))


def _advice(names: Sequence[str]) -> str:
    parts = [name.casefold() for name in names]
    columns = ["participant_id", "image", "label"]
    if any(_MASKS.fullmatch(part) for part in parts):
        columns.append("mask")
    if any(_SPLITS.fullmatch(part) for part in parts):
        columns.append("split (train, validation or test)")
    return (
        "put one folder for each class there, with the images of that class alone, or a "
        f"participants.tsv with the columns {', '.join(columns[:-1])} and {columns[-1]}"
    )
