"""Palettes of DICOM images: colours by their number, in either byte order."""

from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian

_COLOURS = ("Red", "Green", "Blue")


def palette_colours(numbers: NDArray[Any], dataset: Any) -> NDArray[Any]:
    """Look up the colours of pixels.

    Parameters
    ----------
    numbers : array of integers
        Stored values, of any shape.
    dataset : pydicom.Dataset
        With the palette, plain or segmented.

    Returns
    -------
    array of unsigned integers, shape (*numbers.shape, 3)
        Red, green and blue, of 8 or 16 bits as in the palette.

    Raises
    ------
    Exception
        Of any type, if the palette is damaged or incomplete.
    """
    big = dataset.file_meta.TransferSyntaxUID == ExplicitVRBigEndian
    if "SegmentedRedPaletteColorLookupTableData" in dataset:
        return _segmented(numbers, dataset, big)
    entries, first, _ = (int(value) for value in dataset.RedPaletteColorLookupTableDescriptor)
    entries = entries or 1 << 16
    # Numbers below the first have the first colour, and those beyond the last the last.
    places = np.clip(numbers.astype(np.int64) - first, 0, entries - 1)
    tables = [_table(dataset, colour, entries, big) for colour in _COLOURS]
    return np.stack([table[places] for table in tables], axis=-1)


def _table(dataset: Any, colour: str, entries: int, big: bool) -> NDArray[Any]:
    content = _little_endian(dataset[f"{colour}PaletteColorLookupTableData"].value, big)
    wide = len(content) >= 2 * entries
    table = np.frombuffer(content, "<u2" if wide else "u1")
    if len(table) < entries:
        raise ValueError(f"the palette declares {entries} colours and has {len(table)}")
    return table[:entries].astype(np.uint16 if wide else np.uint8)


def _little_endian(words: Any, big: bool) -> bytes:
    """Return a table as little-endian words of 16 bits, which may hold two values of 8 bits."""
    if not isinstance(words, bytes):  # a list of numbers, where they were not stored as words
        return np.asarray(words, "<u2").tobytes()
    return np.frombuffer(words, "<u2").byteswap().tobytes() if big else words


def _segmented(numbers: NDArray[Any], dataset: Any, big: bool) -> NDArray[Any]:
    from pydicom.pixels.processing import apply_color_lut

    little = copy(dataset)
    little.file_meta = copy(dataset.file_meta)
    little.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    for colour in _COLOURS:
        name = f"Segmented{colour}PaletteColorLookupTableData"
        setattr(little, name, _little_endian(dataset[name].value, big))
    # pydicom counts colours in the type of the palette: numbers of 8 bits cannot count beyond 255.
    _, first, bits = (int(value) for value in dataset.RedPaletteColorLookupTableDescriptor)
    if bits == 8 and int(numbers.max(initial=0)) - first > 255:
        raise ValueError("a segmented palette of 8 bits has more than 256 colours")
    colours: NDArray[Any] = apply_color_lut(numbers, little)[..., :3]
    return colours
