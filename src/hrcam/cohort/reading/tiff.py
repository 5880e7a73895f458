"""TIFF files of 16 or 64 bits of floating point, which Pillow does not read."""

import io
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hrcam.cohort.problems import ImageError, Reason

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_ORIENTATION, _SAMPLES, _PREDICTOR, _FORMAT = 274, 277, 317, 339
_STRIPS = (278, 273, 279)  # rows of each, where they start, how many bytes they have
_TILE_WIDTH, _TILES = 322, (323, 324, 325)
_NONE, _DEFLATE = 1, (8, 32946)
_FLOAT = 3
_BIG = 43  # in place of 42, BigTIFF
_KINDS = {1: "unsigned integers", 2: "signed integers", _FLOAT: "floating point"}
_SAVE = "save it with 8 or 16 bits, or 32 bits of floating point"


def is_tiff(content: bytes) -> bool:
    """Tell a TIFF or BigTIFF file."""
    return content[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def read_floats(content: bytes) -> NDArray[np.floating[Any]]:
    """Decode what Pillow cannot.

    Parameters
    ----------
    content : bytes
        The file.

    Returns
    -------
    array, shape (rows, columns)
        Grey values of 16 or 64 bits of floating point.

    Raises
    ------
    ImageError
        If it is of another kind, which the message names.
    Exception
        Of any type, if it is damaged.
    """
    from PIL import TiffImagePlugin

    head = content[: 16 if content[2] == _BIG else 8]
    directory = TiffImagePlugin.ImageFileDirectory_v2(head)
    file = io.BytesIO(content)
    file.seek(directory.next)
    directory.load(file)
    bits, kind = _same(directory.get(_BITS, (1,))), _same(directory.get(_FORMAT, (1,)))
    samples = directory.get(_SAMPLES, 1)
    if not (kind == _FLOAT and bits in (16, 64) and samples == 1):
        several = f"{samples} values of " if samples > 1 else ""
        raise ImageError(
            Reason.UNSUPPORTED,
            f"each pixel has {several}{bits} bits of {_KINDS.get(kind, 'an unknown kind')}",
            _SAVE,
        )
    odd = {
        "compression": directory.get(_COMPRESSION, _NONE) not in (_NONE, *_DEFLATE),
        "prediction": directory.get(_PREDICTOR, 1) != 1,
        "orientation": directory.get(_ORIENTATION, 1) != 1,
        "0 as white": directory.get(_PHOTOMETRIC, 1) != 1,
        "several pages": directory.next != 0,
    }
    if any(odd.values()):
        named = " and ".join(name for name, found in odd.items() if found)
        raise ImageError(
            Reason.UNSUPPORTED,
            f"a picture of {bits} bits of floating point with {named} is not read",
            _SAVE,
        )
    order = "<" if content[:2] == b"II" else ">"
    return _pixels(content, directory, np.dtype(f"{order}f{bits // 8}"))


def _same(values: Any) -> int:
    """Return a value that every sample has; 0 if they differ."""
    several = tuple(values)
    return int(several[0]) if len(set(several)) == 1 else 0


def _pixels(content: bytes, directory: Any, dtype: np.dtype[Any]) -> NDArray[Any]:
    width, height = int(directory[_WIDTH]), int(directory[_HEIGHT])
    tiled = _TILE_WIDTH in directory
    rows, starts, sizes = (directory.get(tag) for tag in (_TILES if tiled else _STRIPS))
    columns = int(directory[_TILE_WIDTH]) if tiled else width
    rows = min(int(rows or height), height) if not tiled else int(rows)
    across = -(-width // columns)
    packed = directory.get(_COMPRESSION, _NONE) != _NONE
    pixels = np.empty((height, width), dtype.newbyteorder("="))
    if len(starts) < across * -(-height // rows):
        raise ValueError(f"{len(starts)} parts of {height} rows")
    for index, (start, size) in enumerate(zip(starts, sizes, strict=True)):
        top, left = rows * (index // across), columns * (index % across)
        block = content[start : start + size]
        block = zlib.decompress(block) if packed else block
        tall = rows if tiled else min(rows, height - top)
        values = np.frombuffer(block, dtype, count=tall * columns).reshape(tall, columns)
        target = pixels[top : top + tall, left : left + columns]
        target[...] = values[: target.shape[0], : target.shape[1]]
    return pixels
