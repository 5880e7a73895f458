"""Images in folders without a table: which there are, whose they are, and their masks."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hrcam.cohort.naming import bids_scan, natural_order, unique_names
from hrcam.cohort.opening.name_groups import group_of
from hrcam.cohort.problems import Problem, Reason
from hrcam.cohort.reading import count_single_images, is_image, name_without_suffix
from hrcam.cohort.reading.detection import dicom_files, is_left_out
from hrcam.cohort.reading.files import is_broken_link, is_folder
from hrcam.cohort.reading.pairs import is_second_of_pair
from hrcam.cohort.reading.suffixes import SUPPORTED
from hrcam.cohort.scan import Cohort, Scan

_MASK = re.compile(
    r"(?P<image>.+)[_-](?:mask|seg|segmentation|labels?|gt|ground[_-]?truth|annotation|roi)(?:_\d+)?",
    re.IGNORECASE,
)
_NO_FOLDERS = frozenset({"__MACOSX", "@eaDir"})  # copies that an archive or a disk makes
_SIDE_NAMES = frozenset({"readme", "license", "licence", "changes", "changelog", "copying"})
_SIDE_SUFFIXES = frozenset(
    {".json", ".txt", ".md", ".rst", ".csv", ".tsv", ".xls", ".xlsx", ".html", ".htm", ".pdf"}
    | {".xml", ".yaml", ".yml", ".log", ".py", ".ipynb", ".r", ".m", ".sh", ".db", ".ini"}
    | {".doc", ".docx", ".bib", ".svg", ".bval", ".bvec", ".md5", ".sha256"}
    | {".raw", ".zraw", ".rec", ".brik"}  # voxels of .mhd, .par and .HEAD, which are named
)


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
        True if a pattern, a folder or a name in the manner of BIDS says whose it is; False where
        the name of the image is all that there is.
    label
        Its class; None for none.
    masks
        Files that are named as its masks.
    of_several
        True if its name is that of a mask of several images: ``x_seg`` beside ``x_t1``, ``x_t2``.
    """

    path: Path
    name: str
    participant: str
    told: bool
    label: str | None = None
    masks: tuple[Path, ...] = ()
    of_several: bool = False


def visible(folder: Path) -> list[Path]:
    """List what a folder holds, 2 before 10, without entries that start with a dot."""
    entries = (entry for entry in folder.iterdir() if not entry.name.startswith("."))
    return sorted(entries, key=lambda entry: natural_order(entry.name))


@dataclass(frozen=True)
class FolderContent:
    """What a folder holds, however deep.

    Attributes
    ----------
    images
        Image files, masks among them, and folders that hold one DICOM image or slices of one
        series; the folder itself, if it is such a folder. Also those that cannot be opened, or are
        of a format that is not read: each is refused by its name when it is.
    left_out
        Files of no known format, and images in the folder of a DICOM series.
    empty
        Folders without any file.
    """

    images: tuple[Path, ...] = ()
    left_out: tuple[Path, ...] = ()
    empty: tuple[Path, ...] = ()


def find_images(folder: Path) -> FolderContent:
    """Find the images in a folder, however deep; entries that start with a dot are ignored."""
    images: list[Path] = []
    left_out: list[Path] = []
    empty: list[Path] = []
    _search(folder, images, left_out, empty, above=())
    return FolderContent(tuple(images), tuple(left_out), tuple(empty))


def _search(
    folder: Path,
    images: list[Path],
    left_out: list[Path],
    empty: list[Path],
    above: tuple[Path, ...],
) -> None:
    real = folder.resolve()
    if real in above:  # a link to a folder that it is in
        return
    entries = visible(folder)
    if not entries:
        empty.append(folder)
    files = [entry for entry in entries if not is_folder(entry)]
    others = [entry for entry in files if _is_found(entry) and not is_second_of_pair(entry)]
    slices = set(dicom_files(folder))
    single = count_single_images(folder)
    mixed = single == 1 and any(entry not in slices for entry in others)
    series = bool(slices) and single < 2 and not mixed
    if series:
        images.append(folder)
        left_out += [entry for entry in others if entry not in slices]
    else:
        images += others
        left_out += [e for e in files if e not in others and not _is_side_file(e)]
    for entry in entries:
        if is_folder(entry) and entry.name not in _NO_FOLDERS:
            if series:
                left_out += find_images(entry).images
            else:
                _search(entry, images, left_out, empty, (*above, real))


def _is_found(entry: Path) -> bool:
    """Tell images, and links to nowhere that may be one or a folder of them."""
    return is_image(entry) or (is_broken_link(entry) and not _is_side_file(entry))


def _is_side_file(entry: Path) -> bool:
    """Tell files that lie beside images and are none: tables, texts, headers' other halves."""
    if is_second_of_pair(entry) or is_left_out(entry):
        return True
    name = entry.name.casefold()
    return entry.suffix.casefold() in _SIDE_SUFFIXES or name.split(".")[0] in _SIDE_NAMES


def identify(
    paths: Sequence[Path],
    folder: Path,
    label: str | None = None,
    *,
    group_by: re.Pattern[str] | None = None,
) -> list[FoundImage]:
    """Say whose each image is, and put masks to their images: ``NAME_mask.png`` to ``NAME.png``.

    A name that starts as in BIDS says whose an image is. Of other names, an image that is not
    directly in the folder belongs to whom the first folder on its way is named after, and an
    image that is, to nobody else. Where a pattern is given and fits a name, it says whose it is.

    Parameters
    ----------
    paths
        Of images and masks, all in the folder or below it, or the folder itself.
    folder
        Of the class, or of all.
    label
        Name of the class.
    group_by
        What it has in brackets is the participant, in names without suffix.

    Returns
    -------
    list of FoundImage
        In the order of the paths, without the masks.
    """
    by_place = {path.parent / name_without_suffix(path): path for path in paths}
    masks: dict[Path, list[Path]] = {}
    of_several = set()
    for path in paths:
        match = _MASK.fullmatch(name_without_suffix(path))
        owner = match and by_place.get(path.parent / match["image"])
        if owner:
            masks.setdefault(owner, []).append(path)
        elif match and _has_relatives(path, match["image"], paths):
            of_several.add(path)
    owned = {mask for several in masks.values() for mask in several}
    found = []
    for path in paths:
        if path in owned:
            continue
        name = name_without_suffix(path)
        above = path.relative_to(folder).parts[:-1]
        named = bids_scan(name)
        by_bids = named or (bids_scan(above[0]) if above else None)
        by_pattern = group_of(group_by, name) if group_by else None
        found.append(
            FoundImage(
                path=path,
                name=named[0] if named else "_".join((*above, name)),
                participant=by_pattern or (by_bids[1] if by_bids else (*above, name)[0]),
                told=bool(by_pattern or by_bids or above),
                label=label,
                masks=tuple(masks.get(path, ())),
                of_several=path in of_several,
            )
        )
    return found


def _has_relatives(mask: Path, stem: str, paths: Sequence[Path]) -> bool:
    """Tell if images beside a mask have its stem: ``x_t1`` and ``x_t2`` beside ``x_seg``."""
    return any(
        path.parent == mask.parent
        and path.name.startswith((f"{stem}_", f"{stem}-"))
        and not _MASK.fullmatch(name_without_suffix(path))
        for path in paths
    )


def content_problems(folder: Path, content: FolderContent) -> list[Problem]:
    """Warn of files that are left out, and of folders that are empty."""
    problems = []
    if content.left_out:
        problems.append(
            Problem(
                "",
                str(content.left_out[0].relative_to(folder)),
                Reason.UNSUPPORTED,
                f"{_counted(content.left_out, 'file')} left out: of no known format, or beside the "
                "slices of a series",
                f"convert what is an image to {SUPPORTED}, and give each a place of its own",
                refused=False,
            )
        )
    inner = [path for path in content.empty if path.parent != folder and path != folder]
    if inner:
        problems.append(
            Problem(
                "",
                str(inner[0].relative_to(folder)),
                Reason.MISSING,
                f"{_counted(inner, 'folder')} empty",
                "if the content was not fetched yet, fetch it: `datalad get -r FOLDER`",
                refused=False,
            )
        )
    return problems


def _counted(paths: Sequence[Path], what: str) -> str:
    return f"1 {what} is" if len(paths) == 1 else f"{len(paths)} {what}s are"


def cohort_of(folder: Path, found: Sequence[FoundImage], problems: Sequence[Problem]) -> Cohort:
    """Make scans of images; of several masks of one image none is used, which is warned of."""
    names = unique_names([(image.name, str(image.path)) for image in found])
    scans, noted = [], list(problems)
    for name, image in zip(names, found, strict=True):
        if image.of_several:
            noted.append(_mask_of_several(name, image, folder))
            continue
        if len(image.masks) > 1:
            noted.append(_several_masks(name, image, folder))
        scans.append(
            Scan(
                name=name,
                participant=image.participant,
                images={"image": image.path},
                label=image.label,
                mask=image.masks[0] if len(image.masks) == 1 else None,
                group=image.participant,
            )
        )
    return Cohort(folder, ("image",), tuple(scans), tuple(noted))


def _mask_of_several(name: str, image: FoundImage, folder: Path) -> Problem:
    return Problem(
        name,
        str(image.path.relative_to(folder)),
        Reason.MASK_MISMATCH,
        "the name is that of a mask, and several images beside it have the same stem",
        "list images and masks in a participants.tsv, with one column for each image of a scan "
        "(image_NAME) and the column mask",
    )


def _several_masks(name: str, image: FoundImage, folder: Path) -> Problem:
    return Problem(
        name,
        str(image.path.relative_to(folder)),
        Reason.MASK_MISMATCH,
        f"{len(image.masks)} masks of one image: none is used",
        "combine them into one file that ends in _mask",
        refused=False,
    )
