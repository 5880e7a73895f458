"""Which files of a folder are slices, and their content; none that may be one is passed over."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hrcam.cohort.problems import ImageError, Reason
from hrcam.cohort.reading.decoding import decoding
from hrcam.cohort.reading.detection import describe, has_dicom_marker, is_image, is_left_out
from hrcam.cohort.reading.files import (
    is_broken_link,
    is_folder,
    open_file,
    read_bytes,
    read_head,
    unreadable,
)
from hrcam.cohort.reading.suffixes import names_a_slice

_DIRECTORY = "1.2.840.10008.1.3.10"
_SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"


def image_datasets(path: Path) -> Iterator[tuple[str, Any]]:
    """Read the images of a folder, or one file.

    Hidden files, DICOMDIR, objects without pixels (reports, contours) and files that no slice is
    named as (README, .json) are left out.

    Parameters
    ----------
    path : Path
        A folder with DICOM files, or such a file.

    Yields
    ------
    name : str
        Of the file; "" if it is the only one.
    dataset : pydicom.Dataset
        Complete, with its pixel data still encoded.

    Raises
    ------
    ImageError
        If a file that may be a slice cannot be read, or there is no image at all.
    """
    if not is_folder(path):
        yield "", _only_image(path)
        return
    found = False
    for entry in _slice_files(path):
        dataset = _read(entry, entry.name)
        if dataset is not None:
            found = True
            yield entry.name, dataset
    if not found:
        raise _no_image(path)


def _only_image(path: Path) -> Any:
    dataset = _read(path, "")
    if dataset is None:
        raise ImageError(
            Reason.UNSUPPORTED,
            "the file is a DICOM object without pixels, such as a report, contours or a DICOMDIR",
            "give the images that it belongs to",
        )
    return dataset


def _slice_files(folder: Path) -> Iterator[Path]:
    try:
        entries = sorted(
            e for e in folder.iterdir() if not is_left_out(e) and (e.is_file() or is_broken_link(e))
        )
    except OSError as error:
        raise unreadable(error) from error
    yield from (entry for entry in entries if _may_be_slice(entry))


def _may_be_slice(entry: Path) -> bool:
    """Tell what is a slice by its content or its name: IM0001, 1.2.840.7, or x.dcm."""
    if names_a_slice(entry):
        return True
    if is_broken_link(entry):
        return False
    with open_file(entry) as file:
        return has_dicom_marker(read_bytes(file, 132))


def _no_image(folder: Path) -> ImageError:
    deeper = sum(is_folder(entry) and is_image(entry) for entry in folder.iterdir())
    return ImageError(
        Reason.MISSING,
        "the folder holds no DICOM image" + (f", but {deeper} of its folders do" if deeper else ""),
        "name the folder of one series" if deeper else "correct the path, or copy the series there",
    )


def _read(path: Path, name: str) -> Any | None:
    """Return a dataset, or None for an object that is no image."""
    where = f"file {name}: " if name else ""
    try:
        head = read_head(path)
    except ImageError as error:
        raise ImageError(error.reason, where + error.message, error.advice) from error
    if not has_dicom_marker(head):
        raise ImageError(
            Reason.WRONG_FORMAT,
            f"{where}this is not DICOM but {describe(head)}",
            "copy the series again, or move what does not belong to it elsewhere",
        )
    with open_file(path) as file:
        content = read_bytes(file)
    from pydicom import dcmread

    with decoding(f"{where}DICOM file"):
        dataset = dcmread(io.BytesIO(content))
        kind = dataset.file_meta.get("MediaStorageSOPClassUID", dataset.get("SOPClassUID", ""))
        pixels = any(f"{p}PixelData" in dataset for p in ("", "Float", "DoubleFloat"))
    if kind == _SEGMENTATION:
        raise ImageError(
            Reason.UNSUPPORTED,
            f"{where}this is a DICOM segmentation",
            "convert it to NIfTI in the grid of its image and give it as the mask",
        )
    if pixels:
        return dataset
    if _is_no_image(kind):
        return None
    raise ImageError(
        Reason.TRUNCATED,
        f"{where}the pixel data are missing or cut short",
        "copy or export the file again; move it elsewhere if it is no image",
    )


def _is_no_image(kind: Any) -> bool:
    """Tell objects that have no pixels by their class; an unknown class may be a slice."""
    from pydicom.uid import UID

    if kind == _DIRECTORY:
        return True
    uid = UID(str(kind))
    return uid.name != uid and "Image Storage" not in uid.name
