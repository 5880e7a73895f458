"""What can be mapped: a cohort, one image file, or the folder of a DICOM series."""

from pathlib import Path

from hrcam.cohort.naming import safe_name
from hrcam.cohort.opening import open_cohort
from hrcam.cohort.reading import is_image
from hrcam.cohort.scan import Cohort, Scan
from hrcam.errors import InputError


def open_input(path: str | Path, *, suffix: str | None = None) -> Cohort:
    """Open a cohort, or take an image for a cohort of one.

    Parameters
    ----------
    path
        A cohort (see `hrcam.cohort.opening`), an image file, or the folder of a DICOM series.
    suffix
        Of the images of a BIDS data set.

    Raises
    ------
    InputError
        If there is nothing of the kind at the path.
    """
    path = Path(path)
    if not is_image(path):
        return open_cohort(path, suffix=suffix)
    if suffix is not None:
        raise InputError(f"suffix is {suffix!r}, but {path} is one image: leave it out")
    stem = path.name if path.is_dir() else path.name.split(".")[0]
    # A file of a BIDS data set says whose it is; its suffix is no part of the scan's name.
    entities, _, _ = stem.rpartition("_")
    name = entities if entities.startswith("sub-") else stem
    participant = name.split("_")[0] if name.startswith("sub-") else stem
    scan = Scan(safe_name(name), participant, {"image": path}, group=participant)
    return Cohort(path.parent, ("image",), (scan,))
