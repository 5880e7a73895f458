"""Which job is at work on which scan, so that jobs that share a folder share the work.

A claim is a hard link to a file of the job: of several processes one can make it, on NFS too, and
the job shows that it is alive by touching one file. Claims are a matter of speed alone: a scan that
two jobs map all the same gets the same files.
"""

import hashlib
import json
import os
import secrets
import socket
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

CLAIMS = ".claims"
"""Folder of the claims, in a folder of maps; it is there while jobs run."""

_BEAT = 20.0  # seconds
_SILENCE = 150.0  # seconds after which a job on another machine counts as dead
_JOB, _CLAIM = ".job", ".claim"
_ENDED = ("Z", "X")  # states of Linux


class ScanClaims:
    """The claims of one job, released at its end.

    Where the disk has no hard links, every scan can be taken, and jobs do the work twice.

    Parameters
    ----------
    out
        Folder of the maps.
    """

    def __init__(self, out: Path) -> None:
        self._folder = out / CLAIMS
        self._job = self._folder / f"{secrets.token_hex(8)}{_JOB}"
        self._taken: set[Path] = set()
        self._ended = threading.Event()
        self._beats = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> Self:
        self._folder.mkdir(exist_ok=True)
        whole = self._job.with_suffix(".new")
        whole.write_text(json.dumps(_identity(os.getpid())))
        whole.replace(self._job)
        self._beats.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._beats.join()
        for path in self._taken:
            path.unlink(missing_ok=True)
        self._remove_dead()
        self._job.unlink(missing_ok=True)
        with suppress(OSError):  # others are at work
            self._folder.rmdir()

    def take(self, scan: str) -> bool:
        """Claim a scan, unless another job that is alive is at work on it."""
        path = self._path(scan)
        for _ in range(2):
            try:
                os.link(self._job, path)
            except FileExistsError:
                if path in self._taken or self._is_alive(path):
                    return path in self._taken
                path.unlink(missing_ok=True)
            except OSError:
                return True
            else:
                self._taken.add(path)
                return True
        return False

    def release(self, scan: str) -> None:
        """Let others have a scan, which is done or has failed."""
        path = self._path(scan)
        path.unlink(missing_ok=True)
        self._taken.discard(path)

    def is_alone(self) -> bool:
        """Tell whether no other job is at work in the folder."""
        jobs = [path for path in self._folder.glob(f"*{_JOB}") if path != self._job]
        return not any(map(self._is_alive, jobs))

    def _path(self, scan: str) -> Path:
        digest = hashlib.sha256(scan.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        return self._folder / f"{digest}{_CLAIM}"

    def _is_alive(self, path: Path) -> bool:
        """Tell whether the job of a claim is alive: by its process, or by its last beat."""
        try:
            job: Any = json.loads(path.read_bytes())
            # Both by the clock of the disk; that of another machine may be wrong.
            silence = self._job.stat().st_mtime - path.stat().st_mtime
        except FileNotFoundError:
            return False
        except (OSError, ValueError):
            return True  # it has just been made
        if job.get("Machine") == _machine():
            return bool(job == _identity(job.get("Process")))
        return silence < _SILENCE

    def _beat(self) -> None:
        while not self._ended.wait(_BEAT):
            with suppress(OSError):
                os.utime(self._job)

    def _remove_dead(self) -> None:
        for path in self._folder.glob("*"):
            if path.suffix in (_JOB, _CLAIM) and not self._is_alive(path):
                path.unlink(missing_ok=True)


def _identity(process: int) -> dict[str, Any]:
    """Describe a process so that no later one of the same number is taken for it."""
    return {"Machine": _machine(), "Process": process, "Started": _start_of(process)}


def _machine() -> str:
    """Where process numbers mean the same: a host, and on Linux a container of it."""
    namespace = ""
    with suppress(OSError):
        namespace = str(Path("/proc/self/ns/pid").stat().st_ino)
    return f"{socket.gethostname()} {namespace}"


def _start_of(process: int) -> str | None:
    """Return when a process started, or "running" where the system does not tell; None if dead."""
    try:
        # The name, in brackets, may hold anything; after it come the state and, 20th, the start.
        found = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return None if found[0] in _ENDED else found[19]
    except FileNotFoundError:
        if Path("/proc/self/stat").exists():
            return None
    except (OSError, ValueError, IndexError):
        pass
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return None
    except OSError:
        pass
    return "running"
