"""Results that can be computed again, kept by what they were computed from."""

import hashlib
import logging
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from hrcam.artifacts.atomic import PARTIALS, write_atomically
from hrcam.artifacts.formats import encode_json
from hrcam.artifacts.manifest import versions_of

logger = logging.getLogger(__name__)

CACHE = ".cache"
"""Folder of the cache, in that of a run; hidden, as it is there before the run is claimed."""

Result = TypeVar("Result")

_FORMAT = 1
_SOFTWARE = ("hrcam", "numpy", "scipy", "nibabel", "pydicom", "pillow")
"""Other versions may decode or prepare otherwise."""

_PREFIX = "versions-"
_FOLDERS = 256
_DIGEST = hashlib.sha256().digest_size
_ABANDONED = 3600.0  # seconds


@dataclass(frozen=True)
class Cache:
    """A folder of results that several processes may share; it is never needed, only faster.

    An entry begins with a hash of its key and content, so that one that is torn, damaged or of
    another key is known, and made again. When the folder is full, nothing more is added: to drop
    the oldest would drop each entry just before a job comes to it again. What other versions of the
    software have left is removed.

    Attributes
    ----------
    folder
        It need not exist.
    limit
        Bytes. Entries are spread over 256 folders by their keys, and each takes its share.
    """

    folder: Path
    limit: int

    def absolute(self) -> "Cache":
        """Return the same with an absolute path, for a process that has another folder."""
        return replace(self, folder=self.folder.absolute())

    def key(self, *parts: str) -> str:
        """Return the key of a result of these parts, by these versions of the software."""
        return hashlib.sha256(encode_json([_generation(), *parts])).hexdigest()

    def get(self, key: str) -> bytes | None:
        """Return what is kept under a key; None where there is nothing that can be trusted."""
        path = self._path(key)
        try:
            found = path.read_bytes()
        except OSError:
            return None
        digest, content = found[:_DIGEST], found[_DIGEST:]
        if digest == _digest(key, content):
            return content
        logger.debug("%s is damaged: it is made again", path)
        with suppress(OSError):
            path.unlink()
        return None

    def put(self, key: str, content: bytes) -> None:
        """Keep a result, if there is room; a disk that fails is no reason to stop."""
        path = self._path(key)
        try:
            if not path.parent.parent.exists():
                self._remove_other_generations()
            if _size(path.parent) + _DIGEST + len(content) <= self.limit // _FOLDERS:
                # A file that a power cut tears is known by its hash.
                write_atomically(path, _digest(key, content) + content, durable=False)
        except OSError:
            logger.debug("%s cannot be kept", path, exc_info=True)

    def result(
        self,
        source: Callable[[], str | None],
        parts: Sequence[str],
        make: Callable[[], Result],
        encode: Callable[[Result], bytes],
        decode: Callable[[bytes], Result],
    ) -> Result:
        """Return what was made of a source before, or make it and keep it.

        Parameters
        ----------
        source
            Gives a hash of what it is made of; None where that cannot be read. It is asked twice,
            and nothing is kept of a source that changed meanwhile.
        parts
            What else it depends on.
        make
            Makes it.
        encode, decode
            To bytes and back.
        """
        before = source()
        if before is None:
            return make()
        key = self.key(before, *parts)
        found = self.get(key)
        if found is not None:
            return decode(found)
        made = make()
        if source() == before:
            self.put(key, encode(made))
        return made

    def _path(self, key: str) -> Path:
        return self.folder / _generation() / key[:2] / key[2:]

    def _remove_other_generations(self) -> None:
        for old in self.folder.glob(f"{_PREFIX}*"):
            if old.name != _generation():
                shutil.rmtree(old, ignore_errors=True)


@lru_cache
def _generation() -> str:
    """Name the results of these versions of the software."""
    content = encode_json([_FORMAT, versions_of(*_SOFTWARE)])
    return _PREFIX + hashlib.sha256(content).hexdigest()[:16]


def _digest(key: str, content: bytes) -> bytes:
    digest = hashlib.sha256(key.encode())
    digest.update(content)
    return digest.digest()


def _size(folder: Path) -> int:
    """Return the size of all files in a folder, without what killed writers have left."""
    size = 0
    if folder.is_dir():
        for path in folder.iterdir():
            with suppress(FileNotFoundError):  # another process has just renamed it
                state = path.stat()
                size += state.st_size
                if fnmatch(path.name, PARTIALS) and time.time() - state.st_mtime > _ABANDONED:
                    path.unlink()
    return size
