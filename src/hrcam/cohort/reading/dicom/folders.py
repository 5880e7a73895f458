"""Whether the DICOM files of a folder are one scan, or many."""

import warnings
from pathlib import Path

from hrcam.cohort.problems import ImageError
from hrcam.cohort.reading.decoding import decoding
from hrcam.cohort.reading.detection import dicom_files

_TAGS = ("Rows", "SeriesInstanceUID", "ImagePositionPatient")


def count_single_images(folder: Path) -> int:
    """Count the DICOM images of a folder that are a scan each; 0 if they are slices of a series.

    Two files of one series that have a position in the patient are slices of one scan.
    Projections, as X-rays are, have none. Only headers are read, and files whose header cannot
    be are not counted.

    Parameters
    ----------
    folder
        A folder; those in it are not looked at.

    Returns
    -------
    int
        0 also if the folder holds no DICOM image.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    series: set[str] = set()
    images = 0
    for entry in dicom_files(folder):
        has_pixels, uid = _read_header(entry)
        if uid is not None and uid in series:
            return 0
        if uid is not None:
            series.add(uid)
        images += has_pixels
    return images


def _read_header(path: Path) -> tuple[bool, str | None]:
    """Tell if a file is an image, and of which series if it is a slice."""
    from pydicom import dcmread
    from pydicom.config import disable_value_validation

    try:
        # What pydicom says of odd headers may quote what identifies the patient.
        with warnings.catch_warnings(), disable_value_validation(), decoding("DICOM header"):
            warnings.filterwarnings("ignore", module="pydicom")
            header = dcmread(path, stop_before_pixels=True, specific_tags=list(_TAGS))
            placed = "ImagePositionPatient" in header
            uid = str(header.get("SeriesInstanceUID", "")) if placed else None
            return "Rows" in header, uid
    except ImageError:  # damaged, which is for the reader to say
        return False, None
