"""A real archive: Debian's Orthanc with DICOMweb, on loopback, in a folder of its own."""

import json
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

_PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
_SECONDS = 30


@dataclass(frozen=True)
class Orthanc:
    """Where it listens."""

    http: int
    dicom: int

    @property
    def web(self) -> str:
        return f"http://127.0.0.1:{self.http}/dicom-web"

    @property
    def dimse(self) -> str:
        return f"ORTHANC@127.0.0.1:{self.dicom}"

    def get(self, path: str) -> Any:
        return json.loads(self.file(path))

    def file(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}/{path}", timeout=10) as answer:
            return answer.read()

    def content(self) -> dict[str, bytes]:
        """Every stored file, by its SOP Instance UID."""
        return {
            self.get(f"instances/{name}/tags?simplify")["SOPInstanceUID"]: self.file(
                f"instances/{name}/file"
            )
            for name in self.get("instances")
        }


def _program() -> str | None:
    return shutil.which("Orthanc", path="/usr/sbin:/usr/bin:/usr/local/bin")


def has_orthanc() -> bool:
    return _program() is not None and _PLUGIN.exists()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def orthanc(folder: Path) -> Iterator[Orthanc]:
    program = _program()
    if program is None or not has_orthanc():
        pytest.skip("there is no Orthanc with DICOMweb here: apt-get install orthanc-dicomweb")
    folder.mkdir(parents=True, exist_ok=True)
    place = Orthanc(free_port(), free_port())
    settings = folder / "orthanc.json"
    settings.write_text(
        json.dumps(
            {
                "Name": "tests",
                "StorageDirectory": str(folder / "storage"),
                "IndexDirectory": str(folder / "index"),
                "Plugins": [str(_PLUGIN)],
                "HttpPort": place.http,
                "DicomPort": place.dicom,
                "DicomAet": "ORTHANC",
                "DicomCheckCalledAet": True,
                "RemoteAccessAllowed": False,
                "AuthenticationEnabled": False,
                "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
            }
        )
    )
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([program, str(settings)], stdout=log, stderr=log)
        try:
            _wait_for(place, process, folder / "log")
            yield place
        finally:
            process.terminate()
            process.wait(_SECONDS)


def _wait_for(place: Orthanc, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + _SECONDS
    while time.monotonic() < until and process.poll() is None:
        with suppress(OSError):
            place.get("system")
            return
        time.sleep(0.05)
    pytest.fail(f"Orthanc does not start:\n{log.read_text()[-2000:]}")
