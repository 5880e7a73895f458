"""The images that a map is of, as DICOM objects refer to them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from hrcam.cohort.reading.dicom.headers import SeriesHeaders
from hrcam.errors import InputError

_NEEDED = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
_MAY_BE_EMPTY = (
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex"),
    *("AccessionNumber", "StudyID", "StudyDate", "StudyTime", "ReferringPhysicianName"),
)
_SHARED = ("PixelMeasuresSequence", "PlaneOrientationSequence")


@dataclass(frozen=True, eq=False)
class Source:
    """The images of a map.

    Attributes
    ----------
    images : tuple of pydicom.Dataset
        Their headers in the order of the series, completed by what objects made from them need.
    slices
        Of each frame in that order, its place along the last axis of the map.
    placed
        Whether the frames are in a frame of reference.
    """

    images: tuple[Any, ...]
    slices: NDArray[np.intp]
    placed: bool

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the headers of the images.

        Raises
        ------
        ImageError
            If they cannot be read.
        InputError
            If they lack what says where they belong.
        """
        headers = SeriesHeaders.read(path)
        needed = (*_NEEDED, "FrameOfReferenceUID") if headers.placed else _NEEDED
        missing = [key for key in needed if not all(each.get(key) for each in headers.datasets)]
        if missing:
            raise InputError(
                f"the DICOM header has no {', '.join(missing)}, without which DICOM objects of its "
                "map cannot be put beside it: export the images again, or map without --dicom"
            )
        images = tuple(_completed(each, headers.placed) for each in headers.datasets)
        return cls(images, headers.slices, headers.placed)

    @property
    def first(self) -> Any:
        """The first image."""
        return self.images[0]

    @property
    def is_plane(self) -> bool:
        """Whether it is one frame."""
        return len(self.slices) == 1

    def frames(self, values: NDArray[Any]) -> NDArray[Any]:
        """Lay out a map, shape (columns, rows[, slices]), as frames (frames, rows, columns).

        Raises
        ------
        InputError
            If the images have another shape: they were changed since they were read.
        """
        shape = (int(self.first.Columns), int(self.first.Rows), len(self.slices))
        if values.size != np.prod(shape):
            raise InputError("the images were changed while they were mapped: run it again")
        return np.ascontiguousarray(values.reshape(shape).transpose(2, 1, 0)[self.slices])


def _completed(dataset: Any, placed: bool) -> Any:
    """Add to a header what may be empty, and take out what cannot be carried on."""
    for keyword in _MAY_BE_EMPTY:
        if keyword not in dataset or not _is_valid(keyword, str(dataset.get(keyword) or "")):
            setattr(dataset, keyword, "")
    if "SliceThickness" not in dataset:
        dataset.SliceThickness = None
    if not placed and "FrameOfReferenceUID" in dataset:
        del dataset.FrameOfReferenceUID  # of nothing: no position is given
    if not placed and "SharedFunctionalGroupsSequence" not in dataset:
        _add_groups(dataset)
    frames = dataset.get("PerFrameFunctionalGroupsSequence")
    shared = dataset.get("SharedFunctionalGroupsSequence")
    if frames and shared:
        # They are the same in all frames of an image that could be read.
        for keyword in _SHARED:
            if keyword not in shared[0] and keyword in frames[0]:
                setattr(shared[0], keyword, frames[0][keyword].value)
    return dataset


def _add_groups(dataset: Any) -> None:
    """Give functional groups to a projection: highdicom wants them of angiography and films."""
    from pydicom.dataset import Dataset

    measures, shared = Dataset(), Dataset()
    if dataset.get("PixelSpacing"):
        measures.PixelSpacing = dataset.PixelSpacing
    shared.PixelMeasuresSequence = [measures]
    dataset.SharedFunctionalGroupsSequence = [shared]
    dataset.PerFrameFunctionalGroupsSequence = [Dataset()]
    dataset.NumberOfFrames = 1


def _is_valid(keyword: str, value: str) -> bool:
    """Tell what can be written again: an age in place of a date cannot."""
    from pydicom.valuerep import DA, TM

    if keyword == "PatientSex":
        return value in ("", "M", "F", "O")
    try:
        if keyword.endswith("Date"):
            DA(value)
        elif keyword.endswith("Time"):
            TM(value)
    except ValueError:
        return False
    return True
