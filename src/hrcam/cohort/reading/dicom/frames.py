"""One DICOM object as frames: pixels in the unit of the modality, and where they are."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hrcam.cohort.problems import Caution, ImageError, Reason
from hrcam.cohort.reading.colour import luminance
from hrcam.cohort.reading.decoding import decoding

_MOST_COMPRESSED = 10_000  # pixel bytes for each byte of compressed data; air in JPEG 2000 has 3000


@dataclass(frozen=True)
class Placement:
    """Where a frame is, in DICOM's LPS millimetres.

    Attributes
    ----------
    position
        Of the centre of the first pixel, shape (3,).
    axes
        Unit vectors, shape (2, 3): towards the next column, towards the next row.
    """

    position: NDArray[np.float64]
    axes: NDArray[np.float64]

    @property
    def normal(self) -> NDArray[np.float64]:
        """Unit vector across the frame; with the axes it makes a right-handed system."""
        normal: NDArray[np.float64] = np.cross(self.axes[0], self.axes[1])
        return normal


@dataclass(frozen=True)
class Frame:
    """One slice.

    Attributes
    ----------
    pixels
        Shape (columns, rows).
    placement
        None where the file does not give it, as of X-rays and ultrasound.
    spacing
        Distance between columns and between rows, in mm; None where the file does not give it.
    thickness
        Of the slice, in mm; 1 where the file does not give it.
    cautions
        That there were colours.
    """

    pixels: NDArray[np.float32]
    placement: Placement | None
    spacing: tuple[float, float] | None
    thickness: float
    cautions: tuple[Caution, ...]


def frames_of(dataset: Any, name: str) -> list[Frame]:
    """Decode all frames of a DICOM object.

    Parameters
    ----------
    dataset : pydicom.Dataset
        With pixel data.
    name : str
        Of the file, for messages; may be empty.

    Returns
    -------
    list of Frame
        One, or those of an enhanced multi-frame object.

    Raises
    ------
    ImageError
        If it cannot be decoded, has no usable geometry, or has frames without positions.
    """
    where = f"file {name}: " if name else ""
    with decoding(f"{where}DICOM header"):
        count = int(dataset.get("NumberOfFrames", 1) or 1)
        groups = list(_functional_groups(dataset, count))
    if count < 1 or (groups and len(groups) != count):
        raise ImageError(
            Reason.UNREADABLE,
            f"{where}{count} frames, but positions of {len(groups)}",
            "export the series again",
        )
    if not groups:
        raise ImageError(
            Reason.TIME_AXIS,
            f"{where}{count} frames without a position of their own: a film, or views",
            "export the one frame that is meant",
        )
    pixels = _decode(dataset, count, where)
    frames = []
    for group, stored in zip(groups, pixels, strict=True):
        with decoding(f"{where}DICOM header"):
            placement, spacing = _placement(group), _spacing(group)
            thickness = _number(group.get("SliceThickness"), 1.0) or 1.0
        with decoding(f"{where}rescaling"):
            values, cautions = _values(stored, group)
        frames.append(Frame(values.T, placement, spacing, thickness, cautions))
    return frames


class _Groups:
    """Attributes of one frame: its own functional groups, the shared ones, the object's own."""

    def __init__(self, *sources: Any) -> None:
        self.sources = sources

    def get(self, keyword: str) -> Any:
        return next((s.get(keyword) for s in self.sources if s.get(keyword) is not None), None)


def _functional_groups(dataset: Any, count: int) -> Iterator[_Groups]:
    own = list(dataset.get("PerFrameFunctionalGroupsSequence") or [])
    shared = list(dataset.get("SharedFunctionalGroupsSequence") or [])
    if not own and count == 1:
        own = [None]
    for group in own:
        items = [item for source in (group, *shared) if source for item in _items(source)]
        yield _Groups(*items, dataset)


def _items(group: Any) -> Iterator[Any]:
    """Yield the first item of each sequence of a functional group."""
    for element in group:
        if element.VR == "SQ" and element.value:
            yield element.value[0]


def _decode(dataset: Any, count: int, where: str) -> NDArray[Any]:
    """Return the stored values, shape (frames, rows, columns) or (..., 3) for colours."""
    from pydicom.pixels.processing import apply_color_lut
    from pydicom.pixels.utils import get_expected_length, pixel_array
    from pydicom.uid import RLELossless

    with decoding(f"{where}DICOM header"):
        syntax = dataset.file_meta.TransferSyntaxUID
        encapsulated = bool(syntax.is_encapsulated)
        expected = get_expected_length(dataset)
        there = len(dataset.get("PixelData", b"")) or expected
        colour = str(dataset.PhotometricInterpretation)
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
        pixels = pixel_array(dataset, decoding_plugin=plugin)
        if colour == "PALETTE COLOR":
            pixels = apply_color_lut(pixels, dataset)
        elif colour == "MONOCHROME1":  # 0 is white: mirror the range of the stored values
            bits, signed = int(dataset.BitsStored), int(dataset.PixelRepresentation)
            pixels = (-1 if signed else (1 << bits) - 1) - pixels.astype(np.int64)
        return pixels if count > 1 else pixels[None]


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


def _values(
    stored: NDArray[Any], group: _Groups
) -> tuple[NDArray[np.float32], tuple[Caution, ...]]:
    """Apply the modality's scale; colours have none."""
    if stored.ndim == 3:
        return luminance(stored)
    slope = _number(group.get("RescaleSlope"), 1.0)
    intercept = _number(group.get("RescaleIntercept"), 0.0)
    if group.get("ModalityLUTSequence"):
        from pydicom.pixels.processing import apply_modality_lut

        stored = apply_modality_lut(stored, group.sources[-1])
    elif (slope, intercept) != (1.0, 0.0):
        stored = stored.astype(np.float64) * slope + intercept
    with np.errstate(over="ignore", invalid="ignore"):
        return stored.astype(np.float32), ()


def _placement(group: _Groups) -> Placement | None:
    position, axes = group.get("ImagePositionPatient"), group.get("ImageOrientationPatient")
    if not position or not axes:
        return None
    placement = Placement(
        np.array([float(value) for value in position]),
        np.array([float(value) for value in axes]).reshape(2, 3),
    )
    if not np.isfinite(placement.position).all() or placement.position.shape != (3,):
        raise ValueError(f"ImagePositionPatient is {position}")
    if not np.abs(placement.axes @ placement.axes.T - np.eye(2)).max() < 1e-3:
        raise ValueError(f"ImageOrientationPatient {axes} is not two directions at right angles")
    return placement


def _spacing(group: _Groups) -> tuple[float, float] | None:
    spacing = group.get("PixelSpacing") or group.get("ImagerPixelSpacing")
    if not spacing:
        return None
    rows, columns = (float(value) for value in spacing)
    if not (np.isfinite([rows, columns]).all() and min(rows, columns) > 0):
        raise ImageError(
            Reason.VOXEL_SIZE,
            f"PixelSpacing is {rows:g} x {columns:g} mm",
            "export the series again, or correct its header",
        )
    return columns, rows


def _number(value: Any, default: float) -> float:
    return default if value is None or value == "" else float(value)
