"""Read one image, whatever its format, and refuse what a network could not learn from."""

from pathlib import Path

import numpy as np

from hrcam.cohort.image import Colour, Image
from hrcam.cohort.problems import ImageError, Reason
from hrcam.cohort.reading.arrays import read_array
from hrcam.cohort.reading.detection import detect_format
from hrcam.cohort.reading.dicom import read_dicom
from hrcam.cohort.reading.files import is_folder
from hrcam.cohort.reading.mgh import read_mgh
from hrcam.cohort.reading.nifti import read_nifti
from hrcam.cohort.reading.pairs import read_pair
from hrcam.cohort.reading.pictures import read_picture

_GREY_READERS = {
    "nifti": read_nifti,
    "analyze": read_pair,
    "mgh": read_mgh,
    "array": read_array,
}
_READERS = {"dicom": read_dicom, "picture": read_picture}


def read_image(path: Path, colour: Colour = "luminance") -> Image:
    """Read an image of any supported format; a DICOM series is its folder.

    The format is told by the content. Intensities are those of the file with its scale factors
    applied; no window, no normalisation.

    Parameters
    ----------
    path : Path
        A file, or a folder with one DICOM series.
    colour : {"luminance", "rgb"}
        What becomes of pictures in colour. With "rgb" each has three channels, grey ones three
        equal ones.

    Returns
    -------
    Image
        One channel or three, float32, decoded completely. What is odd but usable is in
        ``cautions``.

    Raises
    ------
    ImageError
        If the image cannot be used, for any reason.
    """
    image = decode(path, colour)
    lowest, highest = float(image.voxels.min()), float(image.voxels.max())
    if lowest == highest:
        raise ImageError(
            Reason.CONSTANT,
            f"every voxel is {lowest:g}",
            "export the image again; leave the scan out if it was empty at the scanner",
        )
    return image


def decode(path: Path, colour: Colour = "luminance") -> Image:
    """Read an image that may be constant, as a mask may be; otherwise as ``read_image``."""
    path = Path(path)
    found = "dicom" if is_folder(path) else detect_format(path)
    if found in _READERS:
        image = _READERS[found](path, colour)
    elif colour == "rgb":
        raise ImageError(
            Reason.UNSUPPORTED,
            f"red, green and blue are asked for, and a file of the kind {found} has no colours",
            "leave out --colour rgb, or give pictures or DICOM images",
        )
    else:
        image = _GREY_READERS[found](path)
    finite = np.isfinite(image.voxels)
    if not finite.all():
        nans = int(np.isnan(image.voxels).sum())
        infinite = finite.size - int(finite.sum()) - nans
        raise ImageError(
            Reason.NOT_FINITE,
            f"of {finite.size} voxels, {nans} are NaN and {infinite} are infinite or too large for "
            "float32",
            "find the step that made them, or replace them with the value of the background",
        )
    return image
