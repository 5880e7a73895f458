"""A cohort of images without classes, to be mapped: a folder of them, or one DICOM series."""

import re
from collections.abc import Sequence
from pathlib import Path

from hrcam.cohort.naming import bids_scan, safe_name
from hrcam.cohort.opening.image_files import cohort_of, identify
from hrcam.cohort.opening.name_groups import group_of
from hrcam.cohort.scan import Cohort, Scan


def open_unlabelled(
    folder: Path, images: Sequence[Path], *, group_by: re.Pattern[str] | None = None
) -> Cohort | None:
    """Read images that no folder sorts into classes.

    Parameters
    ----------
    folder
        The folder of all images.
    images
        All that are in it or below: see `hrcam.cohort.opening.image_files.find_images`.
    group_by
        What it has in brackets is the participant.

    Returns
    -------
    Cohort or None
        A scan for each image, if all are directly in the folder. A scan that is named after the
        folder, if there is nothing but one DICOM series or object, however deep. None otherwise.
    """
    if len(images) == 1 and images[0].is_dir():
        return single_scan(images[0], folder.resolve().name, group_by=group_by)
    if images and all(path.parent == folder for path in images):
        return cohort_of(folder, identify(images, folder, group_by=group_by), ())
    return None


def single_scan(image: Path, name: str, *, group_by: re.Pattern[str] | None = None) -> Cohort:
    """Take an image for a cohort of one.

    Parameters
    ----------
    image
        A file, or the folder of a DICOM series.
    name
        Of the scan; says whose it is.
    group_by
        What it has in brackets is the participant.
    """
    scan, participant = bids_scan(name) or (name, name)
    participant = (group_of(group_by, name) if group_by else None) or participant
    only = Scan(safe_name(scan), participant, {"image": image}, group=participant)
    return Cohort(image.parent, ("image",), (only,))
