"""The headers behind an image: for objects that refer to it."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from hrcam.cohort.problems import ImageError, Reason
from hrcam.cohort.reading.decoding import decoding
from hrcam.cohort.reading.dicom.files import image_datasets
from hrcam.cohort.reading.dicom.frames import Placement, placements_of
from hrcam.cohort.reading.dicom.series import along_normal

_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


@dataclass(frozen=True, eq=False)
class SeriesHeaders:
    """The DICOM objects of one image, in the order of the series.

    Attributes
    ----------
    datasets : tuple of pydicom.Dataset
        Without pixels: of a series by their InstanceNumber, as viewers list them; or one
        multi-frame object.
    slices
        Of each frame in that order, its place along the last axis of `hrcam.cohort.image.Image`.
    placed
        Whether the frames have a position in the patient.
    """

    datasets: tuple[Any, ...]
    slices: NDArray[np.intp]
    placed: bool

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the headers of an image that `read_dicom` can read.

        Raises
        ------
        ImageError
            If it cannot be used, or is several multi-frame objects.
        """
        from pydicom.config import disable_value_validation

        datasets = []
        placements: list[Placement | None] = []
        with warnings.catch_warnings(), disable_value_validation():
            warnings.filterwarnings("ignore", module="pydicom")
            for name, dataset in image_datasets(path):
                for keyword in _PIXELS:
                    if keyword in dataset:
                        del dataset[keyword]
                datasets.append(dataset)
                placements += placements_of(dataset, name)
        if len(datasets) > 1 and len(datasets) != len(placements):
            raise ImageError(
                Reason.UNSUPPORTED,
                f"the series is {len(datasets)} objects of several frames",
                "export it as one multi-frame object, or as single slices",
            )
        order = np.arange(len(placements))
        if len(datasets) > 1:
            with decoding("DICOM header"):
                order = _by_number(datasets)
        placed = [each for each in placements if each is not None]
        along = np.arange(len(placements))
        if placed and len(placed) == len(placements):
            along = np.argsort(along_normal(placed)[1], kind="stable")
        ordered = [datasets[index] for index in order] if len(datasets) > 1 else datasets
        return cls(tuple(ordered), along[order], bool(placed))


def _by_number(datasets: list[Any]) -> NDArray[np.intp]:
    """Sort by InstanceNumber where all differ in it; else leave the order of the file names."""
    numbers = [dataset.get("InstanceNumber") for dataset in datasets]
    if None in numbers or len(set(numbers)) < len(numbers):
        return np.arange(len(datasets))
    return np.argsort([int(number) for number in numbers], kind="stable")
