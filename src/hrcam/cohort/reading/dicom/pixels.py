"""The stored values of a DICOM object, decoded, and what they mean in the unit of the modality."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hrcam.cohort.problems import ImageError, Reason
from hrcam.cohort.reading.decoding import decoding
from hrcam.cohort.reading.dicom.palette import palette_colours

_MOST_COMPRESSED = 10_000  # pixel bytes for each byte of compressed data; air in JPEG 2000 has 3000
_EXPORT = "export it again from the program that wrote it"


def stored_pixels(dataset: Any, count: int, where: str) -> NDArray[Any]:
    """Decode the stored values.

    Parameters
    ----------
    dataset : pydicom.Dataset
        With pixel data.
    count : int
        Number of frames.
    where : str
        The file, as messages start.

    Returns
    -------
    array, shape (frames, rows, columns), or (..., 3) for colours
        Integers, or numbers of floating point.

    Raises
    ------
    ImageError
        If the header contradicts itself or the data, or the data are damaged.
    """
    from pydicom.pixels.utils import get_expected_length, pixel_array
    from pydicom.uid import RLELossless

    if "TransferSyntaxUID" not in dataset.file_meta:
        raise ImageError(
            Reason.UNREADABLE,
            f"{where}the header has no TransferSyntaxUID, which says how the pixels are encoded",
            _EXPORT,
        )
    with decoding(f"{where}DICOM header"):
        syntax = dataset.file_meta.TransferSyntaxUID
        encapsulated = bool(syntax.is_encapsulated)
        expected = get_expected_length(dataset)
        there = len(dataset.get("PixelData", b"")) or expected
        colour = str(dataset.PhotometricInterpretation)
        _check_bits(dataset, where)
    most = there * _MOST_COMPRESSED if encapsulated else there
    if expected > most:  # before memory is taken for it
        raise ImageError(
            Reason.TRUNCATED,
            f"{where}the header declares {expected:,} bytes of pixels, {there:,} are there",
            "copy or export the file again",
        )
    if not encapsulated and there >= 2 * expected:
        raise ImageError(
            Reason.UNREADABLE,
            f"{where}the header declares {expected:,} bytes of pixels, but {there:,} are there",
            "rows, columns or the number of frames are wrong: export the file again",
        )
    if encapsulated:
        _check_decoder(syntax, where)
    advice = "copy the file again, or export it without compression"
    with decoding(f"{where}DICOM pixel data ({syntax.name})", advice=advice):
        # pylibjpeg-rle dies of damaged data with a panic, which is not even an Exception.
        plugin = "pydicom" if syntax == RLELossless else ""
        pixels = pixel_array(dataset, decoding_plugin=plugin, correct_unused_bits=encapsulated)
        if not encapsulated:
            pixels = _without_unused_bits(pixels, dataset, where)
        if colour == "PALETTE COLOR":
            pixels = palette_colours(pixels, dataset)
        return pixels if count > 1 else pixels[None]


def stored_as(dataset: Any) -> str:
    """Describe how a DICOM object, whose pixels are decoded, stores them: bits and compression."""
    syntax = dataset.file_meta.TransferSyntaxUID
    bits = dataset.get("BitsStored") or dataset.get("BitsAllocated")
    lossy = ["lossy before"] if dataset.get("LossyImageCompression") == "01" else []
    compression = syntax.name if syntax.is_encapsulated else "not compressed"
    return ", ".join([f"{bits} bits", compression, *lossy])


def _check_bits(dataset: Any, where: str) -> None:
    """Refuse a header in which the numbers of bits contradict each other."""
    allocated, stored, high = (
        dataset.get(name) for name in ("BitsAllocated", "BitsStored", "HighBit")
    )
    if stored is None or allocated is None:  # numbers of floating point, or for pydicom to refuse
        return
    if stored > allocated or (high is not None and high != stored - 1):
        raise ImageError(
            Reason.UNREADABLE,
            f"{where}the header contradicts itself: BitsAllocated {allocated}, BitsStored {stored} "
            f"and HighBit {high}, which would have to be {stored - 1}",
            _EXPORT,
        )


def _without_unused_bits(pixels: NDArray[Any], dataset: Any, where: str) -> NDArray[Any]:
    """Clear the bits beyond those that are used; only an overlay of old has a place there."""
    bits = pixels.dtype.itemsize * 8
    unused = bits - int(dataset.get("BitsStored", bits) or bits)
    if pixels.dtype.kind == "f" or unused <= 0:
        return pixels
    used: NDArray[Any] = (pixels << unused) >> unused
    odd = int(np.count_nonzero(used != pixels))
    if odd and pixels.dtype.kind == "u" and not _has_overlay_in_pixels(dataset):
        raise ImageError(
            Reason.UNREADABLE,
            f"{where}the header contradicts the data: BitsStored is {bits - unused}, and {odd} "
            f"pixels need more, up to {int(pixels.max())}",
            _EXPORT,
        )
    return used


def _has_overlay_in_pixels(dataset: Any) -> bool:
    groups = range(0x6000, 0x6020, 2)
    return any((group, 0x0102) in dataset and (group, 0x3000) not in dataset for group in groups)


def _check_decoder(syntax: Any, where: str) -> None:
    from pydicom.pixels.decoders.base import get_decoder

    try:
        available = get_decoder(syntax).is_available
    except NotImplementedError:
        available = False
    if not available:
        raise ImageError(
            Reason.UNSUPPORTED,
            f"{where}no decoder is installed for {syntax.name}",
            "decompress it, as with `gdcmconv --raw in.dcm out.dcm`",
        )


def modality_values(
    stored: NDArray[Any], slope: float, intercept: float, dataset: Any
) -> NDArray[np.float32]:
    """Bring grey values to the unit of the modality.

    Where the modality has a scale, values are its units, as Hounsfield's, and dark or bright is
    for a viewer to choose. Where it has none, those of MONOCHROME1, where 0 is white, are turned
    over within the stored bits: X-rays of all machines then have dark air.

    Parameters
    ----------
    stored : array of any shape
        Stored values.
    slope, intercept : float
        The modality's scale; 1 and 0 for none.
    dataset : pydicom.Dataset
        The object.
    """
    if dataset.get("ModalityLUTSequence"):
        from pydicom.pixels.processing import apply_modality_lut

        stored = apply_modality_lut(stored, dataset)
    elif (slope, intercept) != (1.0, 0.0):
        stored = stored.astype(np.float64) * slope + intercept
    elif dataset.PhotometricInterpretation == "MONOCHROME1":
        if stored.dtype.kind == "f":
            stored = -stored
        else:
            bits, signed = int(dataset.BitsStored), int(dataset.PixelRepresentation)
            stored = (-1 if signed else (1 << bits) - 1) - stored.astype(np.int64)
    with np.errstate(over="ignore", invalid="ignore"):
        return stored.astype(np.float32)
