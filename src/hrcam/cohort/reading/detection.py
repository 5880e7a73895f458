"""What a file is, told by its first bytes; a name that promises something else is refused."""

import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from hrcam.cohort.image import Format
from hrcam.cohort.problems import ImageError, Reason

HEAD = 1024
"""Bytes that tell every format, and a page of text from an image."""

_SUFFIXES: dict[str, Format] = {
    ".nii": "nifti",
    ".nii.gz": "nifti",
    ".dcm": "dicom",
    ".dicom": "dicom",
    ".ima": "dicom",
    ".png": "picture",
    ".jpg": "picture",
    ".jpeg": "picture",
    ".tif": "picture",
    ".tiff": "picture",
    ".npy": "array",
}

_PICTURES = (
    (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"II*\0", "a TIFF picture"),
    (b"MM\0*", "a TIFF picture"),
    (b"II+\0", "a BigTIFF picture"),
    (b"MM\0+", "a BigTIFF picture"),
)

_NIFTI_STARTS = {  # the size of the header
    b"\x5c\x01\0\0": (1, "<"),
    b"\0\0\x01\x5c": (1, ">"),
    b"\x1c\x02\0\0": (2, "<"),
    b"\0\0\x02\x1c": (2, ">"),
}

_FOREIGN = (
    (b"PK\x03\x04", "a ZIP archive"),
    (b"%PDF", "a PDF document"),
    (b"\x89HDF", "an HDF5 or MATLAB file"),
    (b"MATLAB 5.0", "a MATLAB file"),
    (b"GIF8", "a GIF picture"),
    (b"BM", "a BMP picture"),
    (b"RIFF", "a WebP picture or another RIFF file"),
    (b"NRRD", "an NRRD volume"),
    (b"ObjectType", "a MetaImage header"),
    (b"\x08\0", "perhaps DICOM without its preamble, which `gdcmconv` adds"),
    (b"\x02\0\0\0", "perhaps DICOM without its preamble, which `gdcmconv` adds"),
)

_NAMES: dict[Format, str] = {
    "nifti": "a NIfTI volume",
    "dicom": "a DICOM file",
    "picture": "a picture",
    "array": "a NumPy array",
}

SUPPORTED = "NIfTI, DICOM, PNG, JPEG, TIFF or .npy"


def promised_format(path: Path) -> Format | None:
    """Return what the name says a file is, or None where it says nothing."""
    name = path.name.lower()
    return next((f for suffix, f in _SUFFIXES.items() if name.endswith(suffix)), None)


def name_without_suffix(path: Path) -> str:
    """Return the name of an image without the suffix that tells its format: both of ``.nii.gz``.

    Of a folder, and of a file such as 1.2.840.7, the whole name.
    """
    if is_folder(path):
        return path.name
    endings = [suffix for suffix in _SUFFIXES if path.name.lower().endswith(suffix)]
    return path.name[: -len(max(endings, key=len))] if endings else path.name


def is_image(path: Path) -> bool:
    """Tell if ``read_image`` would try a path, without decoding it.

    Parameters
    ----------
    path : Path
        A file or a folder.

    Returns
    -------
    bool
        True for a file named as an image, a file without such a name that has DICOM's marker,
        and a folder that holds a DICOM file; never for hidden files and DICOMDIR.
    """
    if is_left_out(path):
        return False
    try:
        if is_folder(path):
            return holds_dicom(path)
        return path.is_file() and (promised_format(path) is not None or is_dicom_file(path))
    except OSError:
        return False


def is_folder(path: Path) -> bool:
    """Tell a folder; what cannot be looked at is none, and is refused when it is opened."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


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

    Raises
    ------
    OSError
        If it cannot be read.
    """
    for entry in folder.iterdir():
        if is_left_out(entry) or promised_format(entry) not in (None, "dicom"):
            continue
        if is_dicom_file(entry):
            yield entry


def is_left_out(entry: Path) -> bool:
    """Tell hidden files and DICOMDIR, which belong to no series."""
    return entry.name.startswith(".") or entry.name.upper() == "DICOMDIR"


def is_dicom_file(path: Path) -> bool:
    """Tell if a path is a regular file with DICOM's marker.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return has_dicom_marker(file.read(132))


def has_dicom_marker(head: bytes) -> bool:
    """Tell DICOM by the four letters that follow its preamble of 128 bytes."""
    return head[128:132] == b"DICM"


def detect_format(path: Path) -> Format:
    """Tell the format of a file by its content.

    Raises
    ------
    ImageError
        If it is missing, unreadable, empty, a Git-LFS pointer, none of the supported formats, or
        not what its name says.
    """
    head = read_head(path)
    found = _format_of(_decompressed(head) if head.startswith(b"\x1f\x8b") else head)
    promised = promised_format(path)
    if found is None or (promised is not None and found != promised):
        raise _wrong_format(head, found, promised)
    return found


def read_head(path: Path) -> bytes:
    """Return the first bytes of a regular file.

    Raises
    ------
    ImageError
        If it is missing, unreadable, empty, a Git-LFS pointer or no regular file.
    """
    with open_file(path) as file:
        head = read_bytes(file, HEAD)
    if not head:
        raise ImageError(Reason.EMPTY, "the file has no content", "copy or export it again")
    if head.startswith(b"version https://git-lfs"):
        raise ImageError(
            Reason.LFS_POINTER,
            "the file is a Git-LFS pointer, not the image that it stands for",
            "run `git lfs pull` in its repository",
        )
    return head


def open_file(path: Path) -> BinaryIO:
    """Open a regular file.

    Raises
    ------
    ImageError
        If it is missing, unreadable or no regular file.
    """
    try:
        # A pipe would wait for ever, so this is asked before it is opened.
        regular = stat.S_ISREG(path.stat().st_mode)
        file = path.open("rb") if regular else None
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ImageError(
            Reason.MISSING, "there is no such file", "correct the path, or copy the file there"
        ) from error
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        raise unreadable(error) from error
    if file is None:
        raise ImageError(
            Reason.UNSUPPORTED, "this is not a regular file", f"give a file of {SUPPORTED}"
        )
    return file


def read_bytes(file: BinaryIO, size: int = -1) -> bytes:
    """Read from an open file; -1 reads to its end.

    Raises
    ------
    ImageError
        If the disk or the network fails.
    """
    try:
        return file.read(size)
    except OSError as error:
        raise unreadable(error) from error


def unreadable(error: Exception) -> ImageError:
    """Return the error for a file that the system does not let us read."""
    reason = getattr(error, "strerror", None) or str(error)
    return ImageError(
        Reason.UNREADABLE,
        f"the file cannot be read ({reason})",
        "check its permissions and the disk that it is on",
    )


def nifti_version(head: bytes) -> tuple[int, str] | None:
    """Return NIfTI's version, 1 or 2, and its byte order, "<" or ">"; None for another file."""
    return _NIFTI_STARTS.get(head[:4])


def _decompressed(head: bytes) -> bytes:
    """Return the start of what was compressed, only as much as tells NIfTI."""
    try:
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(head, 4)
    except zlib.error:
        return b""


def _format_of(head: bytes) -> Format | None:
    if has_dicom_marker(head):  # first: its preamble may be anything, a TIFF header included
        return "dicom"
    if head.startswith(b"\x93NUMPY"):
        return "array"
    if any(head.startswith(magic) for magic, _ in _PICTURES):
        return "picture"
    return "nifti" if nifti_version(head) else None


def _wrong_format(head: bytes, found: Format | None, promised: Format | None) -> ImageError:
    content = _NAMES[found] if found and found != "picture" else describe(head)
    if found:
        advice = "give the file its true suffix, or export the image again"
    else:
        advice = f"give a file of {SUPPORTED}"
    message = f"the file is {content}"
    if promised:
        message = f"the name is that of {_NAMES[promised]}, but {message}"
    return ImageError(Reason.WRONG_FORMAT, message, advice)


def describe(head: bytes) -> str:
    """Say in words what a file without a supported format looks like."""
    for magic, name in (*_PICTURES, *_FOREIGN):
        if head.startswith(magic):
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
