"""The parameters of a simulated cohort, and which subject is a case and which is for testing."""

import math
from dataclasses import dataclass
from typing import get_args

from hrcam.errors import InputError
from hrcam.simulate.anatomy import FIELD_OF_VIEW_MM
from hrcam.simulate.lesions import Contrast

LABELS = ("control", "lesion")
"""Names of the classes 0 and 1."""


@dataclass(frozen=True, kw_only=True)
class LesionCohort:
    """Parameters of a cohort of simulated T1-weighted brain images with and without lesions.

    Every subject is the MNI152 template under its own deformation, bias field and noise; class
    1 also has lesions. With the same parameters come the same images, and subject ``i`` is the
    same however many subjects there are. The images are simulated: they show how a method
    behaves where the truth is known, and nothing about patients.

    Attributes
    ----------
    dimensions : int
        2 for axial slices (40 positions between MNI z = -14 and 44.5 mm), 3 for volumes.
    subjects : int
        Number of images, one for each subject.
    size : int or None
        Pixels along each edge of the square or cube. None: 128 in 2D, 96 in 3D.
    voxel_size : float or None
        In millimetres. None: 192 mm / size, so that the whole brain is in the image.
    number : tuple of int
        Smallest and largest number of lesions in an image of class 1.
    radius : tuple of float
        Smallest and largest radius of a lesion, in voxels.
    contrast : {"brighter", "darker", "texture"}
        How lesions differ from the tissue; "texture" leaves their mean as it was.
    strength : float
        Relative change of the signal: 0.15 is 15 % brighter or darker, or grain with a standard
        deviation of 15 %.
    lesion_fraction : float
        Share of subjects with lesions; they are spread evenly over the cohort.
    test_fraction : float
        Share of each class in the split "test", rounded down: below 1 / ``test_fraction``
        subjects of a class there is none.
    rotation : float
        Largest rotation about each axis, in degrees.
    scaling : float
        Largest relative decrease of the brain's size along each axis; the template is larger
        than most brains.
    translation : float
        Largest shift along each axis, in millimetres.
    elastic : float
        Standard deviation of the elastic displacement along each axis, in millimetres.
    bias : float
        Standard deviation of the logarithm of the bias field.
    noise : float
        Standard deviation of the Rician noise, as a fraction of the mean brain signal.
    seed : int
        Another seed gives another cohort.

    Raises
    ------
    InputError
        If a parameter cannot be used; the message says which, and what it may be.
    """

    dimensions: int = 2
    subjects: int = 1000
    size: int | None = None
    voxel_size: float | None = None
    number: tuple[int, int] = (1, 3)
    radius: tuple[float, float] = (3.0, 8.0)
    contrast: Contrast = "brighter"
    strength: float = 0.15
    lesion_fraction: float = 0.5
    test_fraction: float = 0.2
    rotation: float = 8.0
    scaling: float = 0.12
    translation: float = 3.0
    elastic: float = 2.5
    bias: float = 0.1
    noise: float = 0.03
    seed: int = 0

    def __post_init__(self) -> None:
        if self.dimensions not in (2, 3):
            raise InputError(f"dimensions is {self.dimensions!r}: use 2 (slices) or 3 (volumes)")
        if self.contrast not in get_args(Contrast):
            raise InputError(
                f"contrast is {self.contrast!r}: use one of {', '.join(get_args(Contrast))}"
            )
        _check_whole("subjects", self.subjects, 1)
        _check_whole("seed", self.seed, 0)
        if self.size is not None:
            _check_whole("size", self.size, 16)
        if self.voxel_size is not None:
            _check_between("voxel_size", self.voxel_size, 0.25, 16.0)
        _check_range("number", self.number)
        _check_range("radius", self.radius)
        for end in self.number:
            _check_whole("number", end, 1)
        for length in self.radius:
            _check_between("radius", length, 1.5, self.shape[0] / 4)
        _check_between("strength", self.strength, 0.001, 1.0)
        _check_between("lesion_fraction", self.lesion_fraction, 0.0, 1.0)
        _check_between("test_fraction", self.test_fraction, 0.0, 1.0)
        _check_between("rotation", self.rotation, 0.0, 180.0)
        _check_between("scaling", self.scaling, 0.0, 0.5)
        _check_between("translation", self.translation, 0.0, 50.0)
        _check_between("elastic", self.elastic, 0.0, 10.0)
        _check_between("bias", self.bias, 0.0, 1.0)
        _check_between("noise", self.noise, 0.0, 1.0)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of every image."""
        size = self.size if self.size is not None else {2: 128, 3: 96}[self.dimensions]
        return (size,) * self.dimensions

    @property
    def resolution(self) -> float:
        """Edge of a voxel, in millimetres."""
        return self.voxel_size if self.voxel_size is not None else FIELD_OF_VIEW_MM / self.shape[0]

    def label(self, index: int) -> int:
        """Class of a subject: 0 control, 1 lesion."""
        return int(_chosen(index, self.lesion_fraction))

    def split(self, index: int) -> str:
        """Split of a subject, "train" or "test", stratified by class."""
        lesions_before = _quota(index, self.lesion_fraction)
        rank = lesions_before if self.label(index) else index - lesions_before
        return "test" if _chosen(rank, self.test_fraction) else "train"


def _quota(count: int, fraction: float) -> int:
    """How many of the first ``count`` are chosen."""
    # Rounded first: 100 * 0.29 is 28.999999999999996 and means 29.
    return math.floor(round(count * fraction, 6))


def _chosen(index: int, fraction: float) -> bool:
    return _quota(index + 1, fraction) > _quota(index, fraction)


def _check_whole(name: str, value: object, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise InputError(f"{name} is {value!r}: use a whole number of {least} or more")


def _check_between(name: str, value: object, low: float, high: float) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
        raise InputError(f"{name} is {value!r}: use a number from {low:g} to {high:g}")


def _check_range(name: str, value: object) -> None:
    if not isinstance(value, tuple) or len(value) != 2:
        raise InputError(f"{name} is {value!r}: use a pair, (smallest, largest)")
    if not all(isinstance(end, int | float) for end in value) or not value[0] <= value[1]:
        raise InputError(f"{name} is {value!r}: use two numbers, the smaller one first")
