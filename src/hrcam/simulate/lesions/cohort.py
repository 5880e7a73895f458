"""Cohorts of brain images with and without faint lesions."""

from dataclasses import dataclass
from typing import ClassVar, get_args

import numpy as np

from hrcam.errors import InputError
from hrcam.simulate.acquisition import BIAS_SPACING_MM, acquire, normalise
from hrcam.simulate.anatomy import (
    AXIAL_SLICES_MM,
    BRAIN_THRESHOLD,
    CENTRE_MM,
    FIELD_OF_VIEW_MM,
    grid_affine,
    load_anatomy,
)
from hrcam.simulate.cohort import SimulatedCohort
from hrcam.simulate.deformation import (
    ELASTIC_SPACING_MM,
    deformed_coordinates,
    random_affine,
    sample_anatomy,
)
from hrcam.simulate.lesions.insertion import Contrast, add_lesions
from hrcam.simulate.parameters import (
    check_between,
    check_dimensions,
    check_range,
    check_whole,
)
from hrcam.simulate.subject import Subject


@dataclass(frozen=True, kw_only=True)
class LesionCohort(SimulatedCohort):
    """Parameters of a cohort of simulated T1-weighted brain images with and without lesions.

    Every subject is the MNI152 template under its own deformation, bias field and noise; class
    1 also has lesions. Images are reproducible from the parameters, and subject ``i`` does not
    depend on the number of subjects. Simulated images show the behaviour of methods with a known
    truth, not results for patients.

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
        Random seed.

    Raises
    ------
    InputError
        If a parameter cannot be used; the message says which, and what it may be.
    """

    kind: ClassVar[str] = "lesions"
    description: ClassVar[str] = (
        "Simulated images: the deformed MNI152 T1 template, with simulated "
        "lesions in the images of that label. No patient was scanned."
    )
    labels: ClassVar[tuple[str, str]] = ("control", "lesion")

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
        check_dimensions(self.dimensions)
        if self.contrast not in get_args(Contrast):
            raise InputError(
                f"contrast is {self.contrast!r}: use one of {', '.join(get_args(Contrast))}"
            )
        check_whole("subjects", self.subjects, 1)
        check_whole("seed", self.seed, 0)
        if self.size is not None:
            check_whole("size", self.size, 16)
        if self.voxel_size is not None:
            check_between("voxel_size", self.voxel_size, 0.25, 16.0)
        check_range("number", self.number)
        check_range("radius", self.radius)
        for end in self.number:
            check_whole("number", end, 1)
        for length in self.radius:
            check_between("radius", length, 1.5, self.shape[0] / 4)
        check_between("strength", self.strength, 0.001, 1.0)
        check_between("lesion_fraction", self.lesion_fraction, 0.0, 1.0)
        check_between("test_fraction", self.test_fraction, 0.0, 1.0)
        check_between("rotation", self.rotation, 0.0, 180.0)
        check_between("scaling", self.scaling, 0.0, 0.5)
        check_between("translation", self.translation, 0.0, 50.0)
        check_between("elastic", self.elastic, 0.0, 10.0)
        check_between("bias", self.bias, 0.0, 1.0)
        check_between("noise", self.noise, 0.0, 1.0)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of every image."""
        size = self.size if self.size is not None else {2: 128, 3: 96}[self.dimensions]
        return (size,) * self.dimensions

    @property
    def resolution(self) -> float:
        """Edge of a voxel, in millimetres."""
        return self.voxel_size if self.voxel_size is not None else FIELD_OF_VIEW_MM / self.shape[0]

    @property
    def spacing(self) -> tuple[float, ...]:
        """Distance between voxels along each axis, in millimetres."""
        return (self.resolution,) * self.dimensions

    @property
    def positive_fraction(self) -> float:
        """Share of subjects with lesions."""
        return self.lesion_fraction

    def simulate(self, index: int) -> Subject:
        """Simulate one subject, from the parameters and its index alone.

        Anatomy, lesions and acquisition draw from random streams of their own: with
        ``lesion_fraction=0`` the same index gives the same brain, field and noise without
        lesions.

        Parameters
        ----------
        index : int
            Which subject: 0 or more.

        Returns
        -------
        Subject
            Image, label, lesion mask, tissue and affine.

        Raises
        ------
        InputError
            If the image has no brain in it, or the brain no room for the lesions.
        """
        anatomy_rng, lesion_rng, acquisition_rng = self.streams(index, 3)

        shape, voxel_size = self.shape, self.resolution
        z = CENTRE_MM[2] if self.dimensions == 3 else float(anatomy_rng.choice(AXIAL_SLICES_MM))
        affine = grid_affine(shape, voxel_size, z)
        anatomy = load_anatomy(voxel_size)
        pose = random_affine(
            anatomy_rng,
            rotation=self.rotation,
            scaling=self.scaling,
            translation=self.translation,
        )
        coordinates = deformed_coordinates(
            anatomy_rng,
            shape,
            to_template=np.linalg.inv(anatomy.affine) @ pose @ affine,
            # The template has voxels of 1 mm.
            elastic=self.elastic,
            spacing=ELASTIC_SPACING_MM / voxel_size,
        )
        t1, tissue = sample_anatomy(anatomy, coordinates)
        brain = t1 > BRAIN_THRESHOLD
        if not brain.any():
            raise InputError(
                f"subject {index} has no brain in its image of {shape[0]} voxels of "
                f"{voxel_size:g} mm: use more or larger voxels, or smaller deformations"
            )

        label = self.label(index)
        signal, mask = t1.astype(np.float64), np.zeros(shape, dtype=bool)
        if label == 1:
            try:
                signal, mask = add_lesions(
                    lesion_rng,
                    signal,
                    tissue,
                    number=self.number,
                    radius=self.radius,
                    contrast=self.contrast,
                    strength=self.strength,
                )
            except InputError as error:
                raise InputError(f"subject {index}: {error}") from error
        acquired = acquire(
            acquisition_rng,
            signal,
            brain,
            bias=self.bias,
            noise=self.noise,
            spacing=BIAS_SPACING_MM / voxel_size,
        )
        return Subject(
            image=normalise(acquired, brain), label=label, mask=mask, tissue=tissue, affine=affine
        )
