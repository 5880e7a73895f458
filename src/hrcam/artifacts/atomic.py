"""Files that appear whole or not at all, whoever else writes, and whenever a job is killed."""

import errno
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from hrcam.errors import InputError, MachineError, machine_error

PARTIALS = ".*.partial"
"""Pattern of what killed writers leave behind: ``.NAME.<random>.partial``."""

_PROBE = 1 << 16  # bytes: more than a disk that is full takes
_NO_HARD_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


def write_atomically(path: str | os.PathLike[str], content: bytes, *, durable: bool = True) -> Path:
    """Write a file under a temporary name beside its destination, then move it there.

    The file and its folder are synchronised with the disk: a power cut leaves the old file or the
    new one.

    Parameters
    ----------
    path
        Destination; missing parent folders are made, an existing file is replaced.
    content
        The whole file.
    durable
        Pass False not to wait for the disk: a power cut may then leave a torn file, which whoever
        reads it has to notice.

    Returns
    -------
    pathlib.Path
        The destination.

    Raises
    ------
    OSError
        If the file cannot be written; the destination is then as it was.
    """
    path = Path(path)
    with replacing(path, durable=durable) as partial:
        partial.write_bytes(content)
    return path


def write_in_order(files: Mapping[Path, bytes]) -> None:
    """Write files, of which the last says that all are there, each as `write_atomically`.

    Their folders are synchronised once before the last: a power cut never leaves it without the
    others.

    Parameters
    ----------
    files
        Content by destination, at least one.

    Raises
    ------
    OSError
        If a file cannot be written; those before it are then there.
    """
    *others, last = files
    for path in others:
        with _partial_of(path) as partial:
            partial.write_bytes(files[path])
            _sync(partial)
            partial.replace(path)
    for folder in dict.fromkeys(path.parent for path in others):
        _sync_folder(folder)
    write_atomically(last, files[last])


@contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """Give the name of an empty file to fill; at the end it takes the place of ``path``.

    For what is too large to be put together in memory; otherwise as `write_atomically`.

    Raises
    ------
    OSError
        If the file cannot be written; the destination is then as it was.
    """
    with _partial_of(path) as partial:
        yield partial
        if durable:
            _sync(partial)
        partial.replace(path)
        if durable:
            _sync_folder(path.parent)


def create_atomically(path: Path, content: bytes) -> bool:
    """Write a file unless it exists; of several processes that try at once, one succeeds.

    Returns
    -------
    Whether this call made the file. If not, another did, and the file is whole.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    with _partial_of(path) as partial:
        partial.write_bytes(content)
        _sync(partial)
        try:
            # A link, unlike a rename, never replaces, also on NFS.
            os.link(partial, path)
        except FileExistsError:
            # NFS repeats a request whose answer was lost, and then finds its own link.
            return partial.stat().st_nlink > 1
        except OSError as error:
            if error.errno not in _NO_HARD_LINKS:
                raise
            return _create_without_links(path, content)
        _sync_folder(path.parent)
        return True


def _create_without_links(path: Path, content: bytes) -> bool:
    """Create on a disk like exFAT, where others may see the file before it is whole."""
    try:
        with path.open("xb") as stream:
            stream.write(content)
    except FileExistsError:
        return False
    _sync(path)
    return True


def check_writable(folder: Path, needed: int = 0) -> None:
    """See that a folder can be written to, before work is done whose result would be lost.

    Parameters
    ----------
    folder
        Where files are to be written. It need not exist, and is not made.
    needed
        Bytes that are known to be written.

    Raises
    ------
    MachineError
        If its disk is full, read-only, or has less room than is needed.
    InputError
        If it cannot be written to for another reason, such as its permissions.
    """
    above = (folder.absolute(), *folder.absolute().parents)
    place = next(each for each in above if os.path.lexists(each))
    try:
        with _partial_of(place / "probe") as partial:
            partial.write_bytes(bytes(_PROBE))
            _sync(partial)
        free = shutil.disk_usage(place).free
    except OSError as error:
        raise machine_error(error) or InputError(
            f"{folder} cannot be written to ({error.strerror or error}): choose a folder with "
            "write permission"
        ) from error
    if free < needed:
        raise MachineError(
            f"{folder} needs {needed / 1e9:.3g} GB, and its disk has {free / 1e9:.3g} GB free; "
            "free space, or choose a folder on another disk"
        )


@contextmanager
def _partial_of(path: Path) -> Iterator[Path]:
    """Make an empty file to write to first; it is removed at the end if it is still there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Random, not the process id: processes in two containers may have the same. And not the
    # tempfile module: its files are private to the user, and would stay so after the move.
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    partial.touch(exist_ok=False)
    try:
        yield partial
    finally:
        partial.unlink(missing_ok=True)


def _sync(file: Path) -> None:
    with file.open("rb+") as stream:
        os.fsync(stream.fileno())


def _sync_folder(folder: Path) -> None:
    """Put the names in a folder on disk, where the system can: Windows cannot, nor can SMB."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
