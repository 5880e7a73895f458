"""What tells the files of a scan from all others: a hash of all that reading looks at."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from hrcam.cohort.reading.files import is_folder
from hrcam.cohort.reading.suffixes import partners_of, promised_format, without_suffix
from hrcam.cohort.scan import Scan


def content_hash(scan: Scan, *, mask: bool = False) -> str | None:
    """Hash the files of a scan's images, with their names, and what becomes of colours.

    Parameters
    ----------
    scan
        The scan.
    mask
        Hash the file of its mask too.

    Returns
    -------
    SHA-256, 64 hexadecimal digits; None where a file cannot be read.
    """
    digest = hashlib.sha256(scan.colour.encode())
    images = [*scan.images.values()]
    if mask and scan.mask is not None:
        images.append(scan.mask)
    try:
        for image in images:
            digest.update(b"\0")
            for file in _files_of(image):
                with file.open("rb") as stream:
                    digest.update(hashlib.file_digest(stream, "sha256").digest())
                digest.update(hashlib.sha256(file.name.encode("utf-8", "surrogatepass")).digest())
    except (OSError, ValueError):  # for the reader to name
        return None
    return digest.hexdigest()


def _files_of(image: Path) -> Iterator[Path]:
    """Yield the file, all files of a folder, or those of a pair and the matrix beside it."""
    if is_folder(image):
        yield from sorted(
            file for file in image.iterdir() if file.is_file() and not file.name.startswith(".")
        )
        return
    yield image
    if promised_format(image) == "analyze":
        matrix = image.with_name(f"{without_suffix(image.name)}.mat")
        yield from (file for file in (*partners_of(image), matrix) if file.is_file())
