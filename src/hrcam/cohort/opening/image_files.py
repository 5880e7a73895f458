"""Images in folders without a table: which there are, whose they are, and their masks."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hrcam.cohort.naming import bids_scan, natural_order, unique_names
from hrcam.cohort.problems import Problem, Reason
from hrcam.cohort.reading import count_single_images, is_image, name_without_suffix
from hrcam.cohort.scan import Cohort, Scan

_MASK = re.compile(r"(?P<image>.+)_mask(?:_\d+)?", re.IGNORECASE)


@dataclass(frozen=True)
class FoundImage:
    """An image, and what its path says of it.

    Attributes
    ----------
    path
        A file, or the folder of a DICOM series.
    name
        What its scan would like to be called.
    participant
        Whose it is.
    told
        True if a folder or a name in the manner of BIDS says whose it is; False where the name
        of the image is all that there is.
    label
        Its class; None for none.
    masks
        Files that are named as its masks.
    """

    path: Path
    name: str
    participant: str
    told: bool
    label: str | None = None
    masks: tuple[Path, ...] = ()


def visible(folder: Path) -> list[Path]:
    """List what a folder holds, 2 before 10, without entries that start with a dot."""
    entries = (entry for entry in folder.iterdir() if not entry.name.startswith("."))
    return sorted(entries, key=lambda entry: natural_order(entry.name))


def image_paths(folder: Path) -> Iterator[Path]:
    """Find the images in a folder, however deep, masks among them.

    Yields
    ------
    pathlib.Path
        Image files, and folders that hold one DICOM image or slices of one series; the folder
        itself, if it is such a folder.
    """
    if is_image(folder) and count_single_images(folder) < 2:
        yield folder
        return
    for entry in visible(folder):
        if entry.is_dir():
            yield from image_paths(entry)
        elif is_image(entry):
            yield entry


def identify(paths: Sequence[Path], folder: Path, label: str | None = None) -> list[FoundImage]:
    """Say whose each image is, and put masks to their images: ``NAME_mask.png`` to ``NAME.png``.

    A name that starts as in BIDS says whose an image is. Of other names, an image that is not
    directly in the folder belongs to whom the first folder on its way is named after, and an
    image that is, to nobody else.

    Parameters
    ----------
    paths
        Of images and masks, all in the folder or below it, or the folder itself.
    folder
        Of the class, or of all.
    label
        Name of the class.

    Returns
    -------
    list of FoundImage
        In the order of the paths, without the masks.
    """
    by_place = {path.parent / name_without_suffix(path): path for path in paths}
    masks: dict[Path, list[Path]] = {}
    for path in paths:
        match = _MASK.fullmatch(name_without_suffix(path))
        owner = match and by_place.get(path.parent / match["image"])
        if owner:
            masks.setdefault(owner, []).append(path)
    owned = {mask for several in masks.values() for mask in several}
    found = []
    for path in paths:
        if path in owned:
            continue
        name = name_without_suffix(path)
        above = path.relative_to(folder).parts[:-1]
        named = bids_scan(name)
        by_bids = named or (bids_scan(above[0]) if above else None)
        found.append(
            FoundImage(
                path=path,
                name=named[0] if named else "_".join((*above, name)),
                participant=by_bids[1] if by_bids else (*above, name)[0],
                told=by_bids is not None or bool(above),
                label=label,
                masks=tuple(masks.get(path, ())),
            )
        )
    return found


def cohort_of(folder: Path, found: Sequence[FoundImage], problems: Sequence[Problem]) -> Cohort:
    """Make scans of images; of several masks of one image none is used, which is warned of."""
    names = unique_names([(image.name, str(image.path)) for image in found])
    several = [
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
    return Cohort(folder, ("image",), scans, (*problems, *several))


def _several_masks(name: str, image: FoundImage, folder: Path) -> Problem:
    return Problem(
        name,
        str(image.path.relative_to(folder)),
        Reason.MASK_MISMATCH,
        f"{len(image.masks)} masks of one image: none is used",
        "combine them into one file that ends in _mask",
        refused=False,
    )
