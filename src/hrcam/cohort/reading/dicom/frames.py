"""One DICOM object as frames: pixels in the unit of the modality, and where they are."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hrcam.cohort.image import Colour
from hrcam.cohort.problems import Caution, ImageError, Reason
from hrcam.cohort.reading.colour import colour_channels, grey_channels
from hrcam.cohort.reading.decoding import decoding
from hrcam.cohort.reading.dicom.pixels import modality_values, stored_as, stored_pixels


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
        Shape (C, columns, rows): three channels where colours are kept.
    placement
        None where the file does not give it, as of X-rays and ultrasound.
    spacing
        Distance between columns and between rows, in mm; None where the file does not give it.
    thickness
        Of the slice, in mm; 1 where the file does not give it.
    cautions
        That there were colours.
    encoding
        Bits of a value, and the compression.
    """

    pixels: NDArray[np.float32]
    placement: Placement | None
    spacing: tuple[float, float] | None
    thickness: float
    cautions: tuple[Caution, ...]
    encoding: str


def frames_of(dataset: Any, name: str, colour: Colour) -> list[Frame]:
    """Decode all frames of a DICOM object.

    Parameters
    ----------
    dataset : pydicom.Dataset
        With pixel data.
    name : str
        Of the file, for messages; may be empty.
    colour : {"luminance", "rgb"}
        What becomes of colours.

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
    groups = _checked_groups(dataset, where)
    pixels = stored_pixels(dataset, len(groups), where)
    encoding = stored_as(dataset)
    frames = []
    for group, stored in zip(groups, pixels, strict=True):
        with decoding(f"{where}DICOM header"):
            placement, spacing = _placement(group), _spacing(group)
            thickness = _number(group.get("SliceThickness"), 1.0) or 1.0
        with decoding(f"{where}rescaling"):
            values, cautions = _values(stored, group, colour)
        frames.append(
            Frame(values.swapaxes(1, 2), placement, spacing, thickness, cautions, encoding)
        )
    return frames


def placements_of(dataset: Any, name: str) -> list[Placement | None]:
    """Say where each frame of a DICOM object is, whose pixels are not needed.

    Raises
    ------
    ImageError
        As `frames_of` does over a header.
    """
    where = f"file {name}: " if name else ""
    groups = _checked_groups(dataset, where)
    with decoding(f"{where}DICOM header"):
        return [_placement(group) for group in groups]


def _checked_groups(dataset: Any, where: str) -> "list[_Groups]":
    """Return the attributes of each frame, of which there is at least one."""
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
    return groups


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


def _values(
    stored: NDArray[Any], group: _Groups, colour: Colour
) -> tuple[NDArray[np.float32], tuple[Caution, ...]]:
    """Return channels, shape (C, rows, columns): grey values in the modality's unit, or colours."""
    if stored.ndim == 3:
        return colour_channels(stored, colour)
    slope = _number(group.get("RescaleSlope"), 1.0)
    intercept = _number(group.get("RescaleIntercept"), 0.0)
    values = modality_values(stored, slope, intercept, group.sources[-1])
    return grey_channels(values, colour), ()


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
