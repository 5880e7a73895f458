"""Files of a header and voxels, gzipped or not, read to their last byte."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from hrcam.cohort.problems import ImageError, Reason
from hrcam.cohort.reading.files import open_file, read_bytes, unreadable

_DEFLATE_RATIO = 1032  # no gzip stream expands further
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Stream:
    """An open file, decompressed as it is read.

    Attributes
    ----------
    file
        What to read from.
    capacity
        Most bytes that it can hold.
    """

    file: BinaryIO
    capacity: int

    def take(self, size: int) -> bytes:
        """Return the next bytes, fewer at the end; there gzip's checksum is compared."""
        try:
            return self.file.read(size)
        except EOFError as error:
            raise truncated("the compressed data end early") from error
        except (zlib.error, gzip.BadGzipFile) as error:
            raise ImageError(
                Reason.UNREADABLE,
                f"the compressed data are damaged, or something else follows them ({error})",
                "copy or export the file again",
            ) from error
        except OSError as error:
            raise unreadable(error) from error

    def take_voxels(self, position: int, start: float, size: int, least: int) -> bytes:
        """Return the bytes of the voxels.

        Parameters
        ----------
        position
            Bytes that were taken before.
        start
            Where the header says that the voxels start.
        size
            Their number of bytes.
        least
            First place where they may start.
        """
        if not (least <= start < 2**62 and float(start).is_integer()):
            raise ImageError(
                Reason.UNREADABLE,
                f"the header says that the voxels start at byte {start:g}; {least} is the first "
                "place possible",
                "copy or export the file again",
            )
        if start + size > self.capacity:  # before memory is taken for it
            raise truncated(
                f"the header declares {size:,} bytes of voxels, the file holds "
                f"{self.capacity:,} at most"
            )
        skipped = self.take(int(start) - position)
        raw = self.take(size)
        if len(skipped) < start - position or len(raw) < size:
            raise truncated(f"{len(raw):,} of {size:,} bytes of voxels are there")
        return raw

    def expect_end(self) -> None:
        """Read what follows the voxels: gzip's checksum, padding with zeros, and nothing else."""
        surplus = 0
        while chunk := self.take(_CHUNK):
            surplus += len(chunk) if any(chunk) else 0
        if surplus:
            raise ImageError(
                Reason.UNREADABLE,
                f"about {surplus:,} bytes follow the voxels that the header declares",
                "the header or the data are damaged: export the image again",
            )


@contextmanager
def open_stream(path: Path) -> Iterator[Stream]:
    """Open a file to read it from its start, gzipped or not.

    Raises
    ------
    ImageError
        If it is missing, unreadable or no regular file.
    """
    with open_file(path) as file:
        compressed = read_bytes(file, 2) == b"\x1f\x8b"
        size = file.seek(0, 2)
        file.seek(0)
        if compressed:
            unpacked = cast(BinaryIO, gzip.GzipFile(fileobj=file))
            yield Stream(unpacked, size * _DEFLATE_RATIO)
        else:
            yield Stream(file, size)


def truncated(message: str) -> ImageError:
    """Return the error for a file that ends too early."""
    return ImageError(Reason.TRUNCATED, message, "copy or download the file again")
