"""A folder that a job fills and resumes: claimed once, known by a marker."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from hrcam.artifacts.atomic import check_writable, create_atomically
from hrcam.errors import InputError


def claim_folder(
    folder: Path, marker: str, content: bytes, beside: Collection[str] = ()
) -> bytes | None:
    """Claim a folder for a job by writing its marker, or find the marker of an earlier start.

    Several processes may claim one folder at once: one writes the marker, the others find it.

    Parameters
    ----------
    folder
        New, empty, or claimed before. Hidden files do not count.
    marker
        Name of the file that tells whose the folder is.
    content
        Of the marker.
    beside
        Names of entries that the folder may have before.

    Returns
    -------
    None if this call claimed the folder. Otherwise the content of the marker that was there: the
    caller has to see whether it is of the same job.

    Raises
    ------
    InputError
        If the folder is a file, holds something else, or cannot be written to.
    MachineError
        If its disk is full or read-only.
    OSError
        If the marker cannot be written or read.
    """
    held = check_claimable(folder, marker, beside)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / marker
    return None if not held and create_atomically(path, content) else path.read_bytes()


def check_claimable(folder: Path, marker: str, beside: Collection[str] = ()) -> bool:
    """See that a folder can be claimed, without making or claiming it; as `claim_folder`.

    Returns
    -------
    Whether it holds anything; then it has the marker.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file: choose a new or an empty folder")
    check_writable(folder)
    held = folder.exists() and any(
        not entry.name.startswith(".") and entry.name not in beside for entry in folder.iterdir()
    )
    # Asked after the files were listed: what another process wrote, it wrote after its marker.
    if held and not (folder / marker).exists():
        raise InputError(
            f"{folder} is not empty and has no {marker}: choose a new or an empty folder"
        )
    return held


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Say which values differ, as "seed was 0, is 1"; "" if none does."""
    different = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
    return ", ".join(f"{key} was {before.get(key)}, is {now.get(key)}" for key in different)
