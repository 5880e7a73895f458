"""Files written whole or not at all, and folders that a job fills and resumes."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hrcam.errors import InputError


def claim_folder(folder: Path, marker: str) -> bool:
    """Make a folder for output, or see that an earlier start of the same job began it.

    Parameters
    ----------
    folder
        New, empty, or begun before. Hidden files do not count.
    marker
        Name of the file by which a begun one is known; the caller writes it.

    Returns
    -------
    True if the marker is there: the caller has to see whether it is of the same job.

    Raises
    ------
    InputError
        If the folder is a file, or holds something else.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file: choose a new or an empty folder")
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / marker).exists():
        return True
    if any(not entry.name.startswith(".") for entry in folder.iterdir()):
        raise InputError(
            f"{folder} is not empty and has no {marker}: choose a new or an empty folder"
        )
    return False


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Say which values differ, as "seed was 0, is 1"; "" if none does."""
    different = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
    return ", ".join(f"{key} was {before.get(key)}, is {now.get(key)}" for key in different)


def write_atomically(path: str | os.PathLike[str], content: bytes) -> Path:
    """Write bytes next to their destination, then move them there in one step.

    Parameters
    ----------
    path
        Destination; missing parent folders are made, an existing file is replaced.
    content
        The whole file.

    Returns
    -------
    pathlib.Path
        The destination.

    Raises
    ------
    OSError
        If it cannot be written; whatever was at the destination is still there, unharmed.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not the tempfile module: its files are private to the user, and would stay so after the move.
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path
