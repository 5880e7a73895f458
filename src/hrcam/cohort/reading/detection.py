"""What a file is, told by its first bytes; a name that promises something else is refused."""

import zlib
from collections.abc import Iterator
from pathlib import Path

from hrcam.cohort.image import Format
from hrcam.cohort.problems import ImageError, Reason
from hrcam.cohort.reading.files import is_broken_link, is_folder, pointer_kind, read_head
from hrcam.cohort.reading.suffixes import (
    ARCHIVE,
    GIF,
    HDF5,
    META_IMAGE,
    MINC,
    NRRD,
    SUPPORTED,
    UnreadFormat,
    holds_voxels,
    names_a_slice,
    promised_format,
    unread_format,
    without_suffix,
)

_PICTURES = (
    (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"II*\0", "a TIFF picture"),
    (b"MM\0*", "a TIFF picture"),
    (b"II+\0", "a BigTIFF picture"),
    (b"MM\0+", "a BigTIFF picture"),
    (b"BM", "a BMP picture"),
)

_NIFTI_STARTS = {  # the size of the header
    b"\x5c\x01\0\0": (1, "<"),
    b"\0\0\x01\x5c": (1, ">"),
    b"\x1c\x02\0\0": (2, "<"),
    b"\0\0\x02\x1c": (2, ">"),
}
_MGH_START = b"\0\0\0\x01"  # the version
_MGH_TYPES = (0, 1, 3, 4)
_MGH_HEADER = 24  # bytes: version, four sizes, type

_NO_PREAMBLE = "perhaps DICOM without its preamble, which `gdcmconv` adds"
_DICOM_GROUPS = (b"\x08\0", b"\x02\0\0\0")  # what starts a file without the preamble
_UNREAD = (
    (b"PK\x03\x04", ARCHIVE),
    (b"\x89HDF", HDF5),
    (b"MATLAB 5.0", HDF5),
    (b"GIF8", GIF),
    (b"NRRD", NRRD),
    (b"ObjectType", META_IMAGE),
    (b"CDF\x01", MINC),
    (b"CDF\x02", MINC),
)
_FOREIGN = (
    (b"%PDF", "a PDF document"),
    (b"RIFF", "a RIFF file"),
    (b"#?RADIANCE", "a Radiance picture"),
    *((start, _NO_PREAMBLE) for start in _DICOM_GROUPS),
)

_NAMES: dict[Format, str] = {
    "nifti": "a NIfTI volume",
    "analyze": "an Analyze or NIfTI pair of files",
    "mgh": "an MGH volume",
    "dicom": "a DICOM file",
    "picture": "a picture",
    "array": "a NumPy array",
}


def name_without_suffix(path: Path) -> str:
    """Return the name of an image without the suffix that tells its format: both of ``.nii.gz``.

    Of a folder, and of a file such as 1.2.840.7, the whole name.
    """
    return path.name if is_folder(path) else without_suffix(path.name)


def is_image(path: Path) -> bool:
    """Tell if a path is meant to be an image: `read_image` decodes it, or says what is wrong.

    Parameters
    ----------
    path : Path
        A file or a folder.

    Returns
    -------
    bool
        True for a file named as an image, of a format that is read or not, and whether it can be
        opened or not; for a file without such a name that is DICOM; and for a folder that holds a
        DICOM file. Never for hidden files and DICOMDIR.
    """
    if is_left_out(path):
        return False
    if is_folder(path):
        try:
            return holds_dicom(path)
        except OSError:
            return False
    if promised_format(path) is not None or unread_format(path) is not None:
        return _is_file(path)
    return _is_dicom(path)


def holds_dicom(folder: Path) -> bool:
    """Tell if a folder itself holds a DICOM file, other than the index of a disk.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    return next(dicom_files(folder), None) is not None


def dicom_files(folder: Path) -> Iterator[Path]:
    """Find the DICOM files of a folder; those named as another format are not opened.

    Files that are named as slices and cannot be opened, as of content that was not fetched, are
    among them.

    Raises
    ------
    OSError
        If the folder cannot be read.
    """
    for entry in folder.iterdir():
        other = promised_format(entry) not in (None, "dicom", "analyze") or unread_format(entry)
        if not (is_left_out(entry) or other or is_folder(entry)) and _is_dicom(entry):
            yield entry


def is_left_out(entry: Path) -> bool:
    """Tell hidden files and DICOMDIR, which belong to no series."""
    return entry.name.startswith(".") or entry.name.upper() == "DICOMDIR"


def has_dicom_marker(head: bytes) -> bool:
    """Tell DICOM by the four letters that follow its preamble of 128 bytes."""
    return head[128:132] == b"DICM"


def detect_format(path: Path) -> Format:
    """Tell the format of a file by its content.

    Raises
    ------
    ImageError
        If it is missing, unreadable, empty, a pointer of Git LFS or git-annex, of a format that
        is not read, or not what its name says.
    """
    head = read_head(path)
    content = _decompressed(head) if head.startswith(b"\x1f\x8b") else head
    found, promised, unread = _format_of(content), promised_format(path), unread_format(path)
    if unread is not None and found is None:
        raise ImageError(
            Reason.UNSUPPORTED, f"this is {unread.name}, which is not read", unread.advice
        )
    if promised == "analyze":
        if found == "dicom":  # some scanners write DICOM files that end in .img
            return found
        if found == "nifti" or holds_voxels(path):
            return promised
    if found is None or unread is not None or (promised is not None and found != promised):
        raise _wrong_format(head, found, unread.name if unread else promised and _NAMES[promised])
    return found


def nifti_version(head: bytes) -> tuple[int, str] | None:
    """Return NIfTI's version, 1 or 2, and its byte order, "<" or ">"; None for another file."""
    return _NIFTI_STARTS.get(head[:4])


def _is_file(path: Path) -> bool:
    """Tell what is, or stands for, a regular file; what cannot be looked at may be one."""
    try:
        return path.is_file() or is_broken_link(path)
    except OSError:
        return True
    except ValueError:  # a null character in the path
        return False


def _is_dicom(path: Path) -> bool:
    """Tell DICOM files by their content, and by their name where that cannot be read."""
    if is_broken_link(path):
        return names_a_slice(path)
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            head = file.read(132)
    except OSError:
        return names_a_slice(path)
    except ValueError:
        return False
    if has_dicom_marker(head):
        return True
    return names_a_slice(path) and (
        pointer_kind(head) is not None or head.startswith(_DICOM_GROUPS)
    )


def _decompressed(head: bytes) -> bytes:
    """Return the start of what was compressed, only as much as tells NIfTI and MGH."""
    try:
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(head, _MGH_HEADER)
    except zlib.error:
        return b""


def _format_of(head: bytes) -> Format | None:
    if has_dicom_marker(head):  # first: its preamble may be anything, a TIFF header included
        return "dicom"
    if head.startswith(b"\x93NUMPY"):
        return "array"
    if _picture_name(head):
        return "picture"
    if _is_mgh(head):
        return "mgh"
    return "nifti" if nifti_version(head) else None


def _is_mgh(head: bytes) -> bool:
    numbers = [int.from_bytes(head[at : at + 4], "big") for at in range(0, _MGH_HEADER, 4)]
    return head.startswith(_MGH_START) and all(numbers[1:5]) and numbers[5] in _MGH_TYPES


def _picture_name(head: bytes) -> str | None:
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "a WebP picture"
    return next((name for magic, name in _PICTURES if head.startswith(magic)), None)


def _wrong_format(head: bytes, found: Format | None, promised: str | None) -> ImageError:
    content = _NAMES[found] if found and found != "picture" else describe(head)
    unread = _unread_content(head)
    if found:
        advice = "give the file its true suffix, or export the image again"
    elif unread:
        advice = unread.advice
    else:
        advice = f"give a file of {SUPPORTED}"
    message = f"the file is {content}"
    if promised:
        message = f"the name is that of {promised}, but {message}"
    return ImageError(Reason.WRONG_FORMAT, message, advice)


def _unread_content(head: bytes) -> UnreadFormat | None:
    return next((kind for magic, kind in _UNREAD if head.startswith(magic)), None)


def describe(head: bytes) -> str:
    """Say in words what a file without a supported format looks like."""
    unread = _unread_content(head)
    if unread:
        return unread.name
    name = _picture_name(head) or next((n for magic, n in _FOREIGN if head.startswith(magic)), None)
    if name:
        return name
    if head.startswith(b"\x1f\x8b"):
        return "a gzip archive of something that is not NIfTI, or a damaged one"
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "an HTML page, perhaps of a download that needed a login"
    if not any(byte < 9 or 13 < byte < 32 for byte in head):
        return "text"
    if not any(head):
        return "nothing but zeros"
    return "of no known format"
