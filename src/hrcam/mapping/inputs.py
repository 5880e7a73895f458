"""What can be mapped: a cohort, a folder of images, one image file, or a DICOM series."""

from pathlib import Path

from hrcam.cohort.opening import open_cohort
from hrcam.cohort.opening.unlabelled import single_scan
from hrcam.cohort.reading import is_image, name_without_suffix
from hrcam.cohort.reading.files import is_broken_link
from hrcam.cohort.scan import Cohort
from hrcam.errors import InputError


def open_input(path: str | Path, *, suffix: str | None = None) -> Cohort:
    """Open a cohort, or take an image for a cohort of one.

    Parameters
    ----------
    path
        A cohort (see `hrcam.cohort.opening`), which needs no labels, an image file, or the
        folder of a DICOM series.
    suffix
        Of the images of a BIDS data set.

    Raises
    ------
    InputError
        If there is nothing of the kind at the path.
    """
    path = Path(path)
    if not path.exists() and not is_broken_link(path):
        raise InputError(
            f"{path} does not exist: give a cohort, an image file or the folder of a DICOM series"
        )
    if path.is_dir() or not is_image(path):
        return open_cohort(path, suffix=suffix)
    if suffix is not None:
        raise InputError(f"suffix is {suffix!r}, but {path} is one image: leave it out")
    return single_scan(path, name_without_suffix(path))
