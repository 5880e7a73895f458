"""Slices of one series in their order along the patient, and the affine that they make."""

import warnings
from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hrcam.cohort.image import Colour, Image
from hrcam.cohort.problems import Caution, ImageError, Reason
from hrcam.cohort.reading.decoding import decoding
from hrcam.cohort.reading.dicom.files import image_datasets
from hrcam.cohort.reading.dicom.frames import Frame, Placement, frames_of
from hrcam.cohort.reading.geometry import Affine, check_affine, format_affine
from hrcam.cohort.reading.shapes import spatial_shape

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_SAME_DIRECTION = 1e-3
_SAME_POSITION = 0.01  # of the distance between pixels, as positions are written with few digits
_IRREGULAR = 0.05  # of the distance between slices
_TILT = 1e-3


def read_dicom(path: Path, colour: Colour = "luminance") -> Image:
    """Decode a DICOM series or a single object.

    Parameters
    ----------
    path : Path
        A folder with one series, or a file: one slice, a projection, or an enhanced multi-frame
        object.
    colour : {"luminance", "rgb"}
        What becomes of colours; for "rgb" grey images have three equal channels.

    Returns
    -------
    Image
        Shape (C, columns, rows, slices), or (C, columns, rows) for one slice, in the modality's
        unit; where it has none, with MONOCHROME1 inverted. The affine
        is that of positions, orientation and pixel spacing, turned from LPS to RAS; slices run
        along their normal. Without a position it holds the pixel spacing alone.

    Raises
    ------
    ImageError
        If any file is damaged, or the slices are not one complete, regular stack.
    """
    from pydicom.config import disable_value_validation

    # pydicom says of every slice where its header does not conform, and quotes values that may
    # identify the patient. What is needed of a header is checked here.
    with warnings.catch_warnings(), disable_value_validation():
        warnings.filterwarnings("ignore", module="pydicom")
        frames = _frames(path, colour)
    _check_alike(frames)
    first = frames[0]
    cautions = dict.fromkeys(caution for frame in frames for caution in frame.cautions)
    if first.placement is None:
        affine = np.diag([*(first.spacing or (1.0, 1.0)), 1.0, 1.0])
        cautions[_NO_POSITION] = None
    else:
        frames = _sorted(frames)
        affine, tilt = _affine(frames)
        cautions.update(dict.fromkeys(tilt))
    check_affine(affine)
    stored = (*first.pixels.shape[1:], len(frames))
    voxels = np.stack([frame.pixels for frame in frames], axis=-1)
    voxels = voxels.reshape(len(first.pixels), *spatial_shape(stored))
    encoding = ", ".join(sorted({frame.encoding for frame in frames}))
    return Image(voxels, affine, stored, "dicom", cautions=tuple(cautions), encoding=encoding)


_NO_POSITION = Caution(
    Reason.NO_ORIENTATION,
    "the file does not say where the image is in the patient, as is usual for projections and "
    "ultrasound",
    "nothing for such images; export slices of a volume again with their position",
)


def _frames(path: Path, colour: Colour) -> list[Frame]:
    """Decode the first series, and only count the rest if there is more than one."""
    series: Counter[str] = Counter()
    frames: list[Frame] = []
    for name, dataset in image_datasets(path):
        with decoding("DICOM header"):
            uid = str(dataset.get("SeriesInstanceUID", ""))
        series[uid] += 1
        if len(series) == 1:
            frames.extend(frames_of(dataset, name, colour))
    if len(series) > 1:
        raise ImageError(
            Reason.MIXED_SERIES,
            f"{len(series)} series in one folder, of "
            f"{', '.join(str(count) for count in series.values())} files",
            "give each series a folder of its own",
        )
    return frames


def _check_alike(frames: list[Frame]) -> None:
    shapes = Counter(frame.pixels.shape[1:] for frame in frames)
    if len(shapes) > 1:
        raise _mixed("sizes", [f"{n} of {c} x {r}" for (c, r), n in shapes.items()])
    placed = [frame.placement for frame in frames if frame.placement is not None]
    if len(placed) not in (0, len(frames)) or (not placed and len(frames) > 1):
        raise ImageError(
            Reason.MIXED_SERIES,
            f"{len(frames) - len(placed)} of {len(frames)} images have no position",
            "give each image that is not a slice of a volume as a file of its own",
        )
    if not placed:
        return
    if any(frame.spacing is None for frame in frames):
        raise ImageError(
            Reason.VOXEL_SIZE, "PixelSpacing is missing", "export the series again, with it"
        )
    _check_equal(
        "orientations", np.array([p.axes.ravel() for p in placed]), absolute=_SAME_DIRECTION
    )
    _check_equal(
        "pixel spacings", np.array([frame.spacing for frame in frames]), relative=_SAME_DIRECTION
    )


def _check_equal(
    what: str, values: NDArray[np.float64], absolute: float = 0.0, relative: float = 0.0
) -> None:
    """Refuse rows that differ from the first one."""
    alike = np.isclose(values, values[0], rtol=relative, atol=absolute).all(1)
    if not alike.all():
        raise _mixed(what, [f"{int(alike.sum())} slices as the first, {int((~alike).sum())} not"])


def _mixed(what: str, counts: list[str]) -> ImageError:
    return ImageError(
        Reason.MIXED_SERIES,
        f"the series mixes {what}: {', '.join(counts)}",
        "move localisers and other images into folders of their own",
    )


def _placements(frames: list[Frame]) -> list[Placement]:
    return [frame.placement for frame in frames if frame.placement is not None]


def along_normal(
    placements: list[Placement],
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return the positions of slices along the normal of the first, and their order along it."""
    along = np.array([p.position @ placements[0].normal for p in placements])
    return along, np.argsort(along, kind="stable")


def _sorted(frames: list[Frame]) -> list[Frame]:
    """Sort slices along their normal, and refuse places that are taken twice."""
    along, order = along_normal(_placements(frames))
    apart = np.diff(along[order]) >= _SAME_POSITION * min(frames[0].spacing or (1.0,))
    repeated = int((~apart).sum())
    if repeated:
        places = len(frames) - repeated
        counts = np.diff(np.flatnonzero(np.r_[True, apart, True]))
        if np.all(counts == counts[0]):
            raise ImageError(
                Reason.TIME_AXIS,
                f"{counts[0]} images at each of {places} positions: time points, echoes or "
                "repeated files",
                "export one image for each position",
            )
        raise ImageError(
            Reason.DUPLICATE_SLICE,
            f"{len(frames)} images at {places} positions",
            "move repeated images elsewhere",
        )
    return [frames[index] for index in order]


def _affine(frames: list[Frame]) -> tuple[Affine, tuple[Caution, ...]]:
    """Return the affine of sorted slices, and a caution if the gantry was tilted."""
    first = _placements(frames)[0]
    positions = np.array([p.position for p in _placements(frames)])
    columns, rows = frames[0].spacing or (1.0, 1.0)
    if len(frames) == 1:
        step = first.normal * frames[0].thickness
    else:
        _check_regular(positions, first.normal)
        step = (positions[-1] - positions[0]) / (len(frames) - 1)
    affine = np.eye(4)
    affine[:3, 0] = first.axes[0] * columns
    affine[:3, 1] = first.axes[1] * rows
    affine[:3, 2] = step
    affine[:3, 3] = positions[0]
    ras = _LPS_TO_RAS @ affine + 0.0  # no negative zeros
    check_affine(ras)
    along = float(step @ first.normal) / float(np.linalg.norm(step))
    tilt = float(np.degrees(np.arccos(min(along, 1.0))))
    if np.sin(np.radians(tilt)) <= _TILT:
        return ras, ()
    return ras, (
        Caution(
            Reason.GANTRY_TILT,
            f"each slice is shifted against the one before: the gantry was tilted by {tilt:.2f} "
            f"degrees, and the affine is sheared: {format_affine(ras)}",
            "nothing: the affine is exact; some other programs ignore the tilt",
        ),
    )


def _check_regular(positions: NDArray[np.float64], normal: NDArray[np.float64]) -> None:
    """Refuse slices that do not follow each other at one distance, along one line."""
    distances = np.diff(positions @ normal)
    usual = float(np.sort(distances)[(len(distances) - 1) // 2])
    wrong = np.flatnonzero(np.abs(distances - usual) > _IRREGULAR * usual)
    if wrong.size:
        at = int(wrong[0])
        more = f", and {wrong.size - 1} more such places" if wrong.size > 1 else ""
        raise ImageError(
            Reason.SLICE_GAP,
            f"gap after slice {at + 1} of {len(positions)}: {distances[at]:.4g} mm instead of "
            f"{usual:.4g} mm{more}",
            "copy the missing slices; a series of uneven slices must be resampled to even ones",
        )
    steps = np.arange(len(positions))[:, None] / (len(positions) - 1)
    line = positions[0] + steps * (positions[-1] - positions[0])
    apart = np.linalg.norm(positions - line, axis=1)
    if apart.max() > 2 * _IRREGULAR * usual:
        raise ImageError(
            Reason.MIXED_SERIES,
            f"slice {int(apart.argmax()) + 1} of {len(positions)} is {apart.max():.4g} mm off the "
            "line of the others",
            "move images that do not belong to the stack elsewhere, or resample it",
        )
