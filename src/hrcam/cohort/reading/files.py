"""Open a file, or say why it cannot be opened: missing, not fetched, not permitted, empty."""

import errno
import re
import stat
from pathlib import Path
from typing import BinaryIO

from hrcam.cohort.problems import ImageError, Reason
from hrcam.cohort.reading.suffixes import SUPPORTED
from hrcam.errors import machine_error

HEAD = 1024
"""Bytes that tell every format, and a page of text from an image."""

FETCH = "fetch the content: `datalad get FILE`, or `git annex get FILE`"

_LFS_POINTER = b"version https://git-lfs"
# Unlocked files of git-annex, and links on disks that have none, hold the path of the content.
_ANNEX_POINTER = re.compile(rb"/annex/objects/|[./\\]*\.git[/\\]annex[/\\]objects[/\\]")


def is_folder(path: Path) -> bool:
    """Tell a folder; what cannot be looked at is none, and is refused when it is opened."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def is_broken_link(path: Path) -> bool:
    """Tell a link whose target is not there, as of content that was not fetched."""
    try:
        return path.is_symlink() and not path.exists()
    except (OSError, ValueError):
        return False


def pointer_kind(head: bytes) -> str | None:
    """Name the program that left a pointer in the place of a file: "Git LFS" or "git-annex"."""
    if head.startswith(_LFS_POINTER):
        return "Git LFS"
    return "git-annex" if _ANNEX_POINTER.match(head) else None


def read_head(path: Path) -> bytes:
    """Return the first bytes of a regular file.

    Raises
    ------
    ImageError
        If it is missing, unreadable, empty, a pointer of Git LFS or git-annex, or no regular
        file.
    """
    with open_file(path) as file:
        head = read_bytes(file, HEAD)
    if not head:
        raise ImageError(Reason.EMPTY, "the file has no content", "copy or export it again")
    kind = pointer_kind(head)
    if kind is not None:
        raise ImageError(
            Reason.LFS_POINTER,
            f"the file is a {kind.replace(' ', '-')} pointer, not the image that it stands for",
            "run `git lfs pull` in its repository" if kind == "Git LFS" else FETCH,
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
        raise _missing(path) from error
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        raise (_missing(path) if is_broken_link(path) else unreadable(error)) from error
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
    """Return the error for a file that the system does not let us read.

    Raises
    ------
    MachineError
        If it is not this file, but the machine that has no memory or no handles for it.
    """
    failed = machine_error(error)
    if failed is not None and getattr(error, "errno", None) != errno.EIO:
        raise failed from error
    reason = getattr(error, "strerror", None) or str(error)
    return ImageError(
        Reason.UNREADABLE,
        f"the file cannot be read ({reason})",
        "check its permissions and the disk that it is on",
    )


def link_target(path: Path) -> str:
    """Return where a link points, as it is written."""
    return str(path.readlink())


def _missing(path: Path) -> ImageError:
    if not is_broken_link(path):
        return ImageError(
            Reason.MISSING, "there is no such file", "correct the path, or copy the file there"
        )
    target = link_target(path)
    if "annex/objects" in target.replace("\\", "/"):
        return ImageError(
            Reason.MISSING, "git-annex has a link here, and its content was not fetched", FETCH
        )
    return ImageError(
        Reason.MISSING,
        f"this is a link to {target}, which is not there",
        f"correct the link, or {FETCH}",
    )
