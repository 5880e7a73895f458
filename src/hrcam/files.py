"""Write a file whole or not at all."""

import os
from pathlib import Path


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
