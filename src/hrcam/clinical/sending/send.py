"""Send the objects of a folder of maps, and keep a list of what an archive has."""

import hashlib
import io
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from hrcam.artifacts.maps_folder import read_maps
from hrcam.artifacts.scan_record import OBJECTS
from hrcam.artifacts.stored_objects import StoredObject, read_stored, write_stored
from hrcam.clinical.quiet import quiet
from hrcam.clinical.sending.address import open_archive
from hrcam.clinical.sending.archive import Archive, NoAnswerError, RefusedError
from hrcam.errors import ArchiveError, InputError
from hrcam.progress import Progress

logger = logging.getLogger(__name__)

_WAITS = (1.0, 4.0, 15.0)  # seconds before an object is sent again
_LIST_EVERY = 10.0  # seconds between two writes of the list


@dataclass(frozen=True)
class SendReport:
    """Result of sending.

    Attributes
    ----------
    stored, skipped
        Number of objects that the archive has stored now, and of those that it had already.
    refused
        Objects that it will not have: their path in the folder, and why.
    """

    stored: int
    skipped: int
    refused: tuple[tuple[str, str], ...]


def send_objects(
    maps: str | Path, archive: str, *, again: bool = False, progress: bool = True
) -> SendReport:
    """Send the DICOM objects of a folder of maps to an archive.

    What the archive has confirmed is listed in ``dicom_stored.tsv``, and not sent again while the
    file stays as it is. An object that the archive cannot take now is sent up to four times.

    Parameters
    ----------
    maps
        Folder of `hrcam map`.
    archive
        ``http://HOST/dicom-web`` for DICOMweb, or ``AE@HOST:PORT`` for C-STORE.
    again
        Send also what the archive has.
    progress
        Show how far it is, as `hrcam.mapping.map_scans`.

    Raises
    ------
    InputError
        If the address is not one, or the folder has no DICOM objects.
    ArchiveError
        If the archive cannot be reached or rejects us; what is stored is listed.
    """
    maps = Path(maps)
    opened = open_archive(archive)
    files = list(_objects(maps))
    if not files:
        raise InputError(f"{maps} has no DICOM objects: map DICOM images with --dicom")
    rows = {(row.archive, row.file): row for row in read_stored(maps)}
    stored, skipped = 0, 0
    refused: list[tuple[str, str]] = []
    written = time.monotonic()
    with quiet(), opened, Progress(len(files), "sending", "objects", shown=progress) as shown:
        try:
            for file in files:
                content, name = file.read_bytes(), file.relative_to(maps).as_posix()
                digest = hashlib.sha256(content).hexdigest()
                before = rows.get((archive, name))
                if not again and before is not None and before.sha256 == digest:
                    skipped += 1
                    shown.skip()
                    continue
                try:
                    _store(opened, content)
                except RefusedError as error:
                    refused.append((name, str(error)))
                except ArchiveError as error:
                    raise ArchiveError(f"the archive {archive}: {error}") from error
                else:
                    stored += 1
                    now = datetime.now(UTC).isoformat(timespec="seconds")
                    rows[archive, name] = StoredObject(archive, name, digest, now)
                    if time.monotonic() - written > _LIST_EVERY:
                        write_stored(maps, rows.values())
                        written = time.monotonic()
                shown.update()
        finally:
            if stored:
                write_stored(maps, rows.values())
    logger.info(
        "stored %d objects, %d were stored already, %d were refused", stored, skipped, len(refused)
    )
    return SendReport(stored, skipped, tuple(refused))


def _objects(maps: Path) -> Iterator[Path]:
    """Yield the files of each scan's objects, those that others refer to first."""
    found = read_maps(maps)
    for record in (*found.records, *found.further):
        yield from (record.files[kind] for kind in OBJECTS if kind in record.files)


def _store(archive: Archive, content: bytes) -> None:
    from pydicom import dcmread

    dataset = dcmread(io.BytesIO(content))
    for wait in _WAITS:
        try:
            return archive.store(dataset)
        except NoAnswerError as error:
            logger.info("the archive: %s; the object is sent again in %g s", error, wait)
            time.sleep(wait)
    return archive.store(dataset)
