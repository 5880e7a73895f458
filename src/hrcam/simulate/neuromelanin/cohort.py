"""Cohorts of Parkinson's disease on neuromelanin-sensitive MRI."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from hrcam.simulate.acquisition import acquire, normalise
from hrcam.simulate.anatomy import (
    BRAIN_THRESHOLD,
    grid_affine,
    load_anatomy,
    load_white_matter,
)
from hrcam.simulate.cohort import SimulatedCohort
from hrcam.simulate.deformation import (
    ELASTIC_SPACING_MM,
    deformed_coordinates,
    random_affine,
    sample,
    template_millimetres,
)
from hrcam.simulate.fields import smooth_field
from hrcam.simulate.neuromelanin.nuclei import (
    NIGRA_Z_MM,
    Nucleus,
    NucleusVariation,
    coeruleus,
    draw_variation,
    nigra,
)
from hrcam.simulate.neuromelanin.person import Person, draw_person
from hrcam.simulate.parameters import check_between, check_dimensions, check_whole
from hrcam.simulate.subject import Subject

FIELD_OF_VIEW_MM = 72.0
"""Width of an image, in plane."""

SLICE_MM, SLICES = 2.0, 16
"""The slab of a volume: 32 mm, from above the nigra to below the coeruleus."""

CENTRE_MM = (0.0, -24.0)
"""MNI x and y of the middle of an image."""

SLAB_Z_MM = -20.0
"""MNI z of the middle of the slab."""

ROTATION, SCALING, TRANSLATION_MM, ELASTIC_MM = 5.0, 0.1, 2.0, 1.2
"""Variation of the anatomy and of its position."""

PLACEMENT_MM = 1.5
"""Largest distance of the slice or slab from the middle of the nigra."""

BIAS, BIAS_SPACING_MM = 0.1, 60.0
"""Standard deviation of the logarithm of the bias field, and over which distance it changes."""

FLUID, GREY, WHITE = 0.4, 0.86, 0.8
"""Signal without neuromelanin: magnetisation transfer darkens white matter."""

FRONT = 0.25
"""Width of the transition between lost and healthy parts, as a fraction of the nucleus."""

GRAIN = 0.2
"""Standard deviation of the neuromelanin within a nucleus, relative to its mean."""


@dataclass(frozen=True, kw_only=True)
class NeuromelaninCohort(SimulatedCohort):
    """Parameters of a cohort of simulated neuromelanin-sensitive MRI of the midbrain.

    Every subject is the midbrain of the MNI152 template under its own deformation, with a bright
    substantia nigra and locus coeruleus, whose contrast varies between people and rises with age
    to about 60, then falls. Patients have lost signal: in the nigra from its posterolateral end,
    more on one side, and in the coeruleus from below. Simulated images show the behaviour
    of methods with a known truth, not results for patients.

    The mask is the tissue that has lost its neuromelanin, in both nuclei; the region "nigra" is
    the substantia nigra as it was, of both sides. The table has each subject's age and severity:
    the share of the nigra's length that is lost.

    Attributes
    ----------
    dimensions : int
        2 for an axial slice through the nigra, above the coeruleus; 3 for a slab of 16 slices of
        2 mm through both.
    subjects : int
        Number of images, one for each subject.
    size : int
        Pixels along each edge of the field of view of 72 mm.
    patient_fraction : float
        Share of patients; they are spread evenly over the cohort.
    test_fraction : float
        Share of each class in the split "test", rounded down.
    noise : float
        Standard deviation of the Rician noise, as a fraction of the mean brain signal.
    seed : int
        Random seed.

    Raises
    ------
    InputError
        If a parameter cannot be used; the message says which, and what it may be.
    """

    kind: ClassVar[str] = "neuromelanin"
    description: ClassVar[str] = (
        "Simulated images: the midbrain of the deformed MNI152 template with simulated "
        "neuromelanin, of which simulated patients have lost a part. No patient was scanned. "
        "Masks are of what is lost; nigra is the substantia nigra before the loss, severity the "
        "share of its length that is lost."
    )
    labels: ClassVar[tuple[str, str]] = ("control", "parkinson")
    regions: ClassVar[tuple[str, ...]] = ("nigra",)
    covariates: ClassVar[tuple[str, ...]] = ("age", "severity")

    dimensions: int = 2
    subjects: int = 80
    size: int = 96
    patient_fraction: float = 0.5625
    test_fraction: float = 0.2
    noise: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        check_dimensions(self.dimensions)
        check_whole("subjects", self.subjects, 1)
        check_whole("seed", self.seed, 0)
        check_whole("size", self.size, 48)
        check_between("patient_fraction", self.patient_fraction, 0.0, 1.0)
        check_between("test_fraction", self.test_fraction, 0.0, 1.0)
        check_between("noise", self.noise, 0.0, 1.0)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of every image."""
        return (self.size, self.size, SLICES)[: self.dimensions]

    @property
    def spacing(self) -> tuple[float, ...]:
        """Distance between voxels along each axis, in millimetres."""
        edge = FIELD_OF_VIEW_MM / self.size
        return (edge, edge, SLICE_MM)[: self.dimensions]

    @property
    def positive_fraction(self) -> float:
        """Share of patients."""
        return self.patient_fraction

    def covariates_of(self, index: int) -> Mapping[str, str]:
        """Return the age in years, and the fraction of the nigra's length that is lost."""
        person = self._person(index)
        return {"age": f"{person.age:.1f}", "severity": f"{person.severity:.3f}"}

    def simulate(self, index: int) -> Subject:
        """Simulate one subject, from the parameters and its index alone.

        With ``patient_fraction=0`` the same index gives the same person in health.

        Parameters
        ----------
        index : int
            Which subject: 0 or more.

        Returns
        -------
        Subject
            Image, label, mask of what is lost, tissue, affine, and the region "nigra".
        """
        person = self._person(index)
        _, anatomy_rng, signal_rng, acquisition_rng = self.streams(index, 4)
        edge = self.spacing[0]
        anatomy = load_anatomy(edge)
        pose = random_affine(
            anatomy_rng, rotation=ROTATION, scaling=SCALING, translation=TRANSLATION_MM
        )
        middle = NIGRA_Z_MM if self.dimensions == 2 else SLAB_Z_MM
        here = np.linalg.inv(pose) @ [*CENTRE_MM, middle, 1.0]
        above = float(anatomy_rng.uniform(-PLACEMENT_MM, PLACEMENT_MM))
        affine = grid_affine(self.shape, self.spacing, float(here[2]) + above, CENTRE_MM)
        coordinates = deformed_coordinates(
            anatomy_rng,
            self.shape,
            to_template=np.linalg.inv(anatomy.affine) @ pose @ affine,
            elastic=ELASTIC_MM,
            spacing=ELASTIC_SPACING_MM / edge,
        )
        variation = draw_variation(anatomy_rng)
        t1 = sample(anatomy.t1, coordinates)
        tissue = sample(anatomy.tissue, coordinates)
        white = sample(load_white_matter(edge), coordinates)
        brain = t1 > BRAIN_THRESHOLD
        background = FLUID + (GREY - FLUID) * tissue + (WHITE - GREY) * white
        # Cisterns around the brain, with the arteries and nerves in them.
        background *= 1 + 0.25 * ~brain * smooth_field(signal_rng, self.shape, 3.0 / edge)
        millimetres = template_millimetres(anatomy, coordinates)
        gain, nigra_mask, lost = _neuromelanin(millimetres, person, variation)
        gain *= 1 + GRAIN * smooth_field(signal_rng, self.shape, 1.5 / edge)
        acquired = acquire(
            acquisition_rng,
            background * (1 + gain),
            brain,
            bias=BIAS,
            noise=self.noise,
            spacing=BIAS_SPACING_MM / edge,
        )
        return Subject(
            image=normalise(acquired, brain),
            label=self.label(index),
            mask=lost,
            tissue=tissue > 0.5,
            affine=affine,
            regions={"nigra": nigra_mask},
        )

    def _person(self, index: int) -> Person:
        return draw_person(self.streams(index, 4)[0], patient=self.label(index) == 1)


def _neuromelanin(
    millimetres: NDArray[np.float64], person: Person, variation: NucleusVariation
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the relative signal that remains, the healthy nigra, and the lost neuromelanin."""
    nigras = [nigra(millimetres, side, variation) for side in (-1, 1)]
    coerulei = [coeruleus(millimetres, side, variation) for side in (-1, 1)]
    left = np.zeros(millimetres.shape[1:])
    lost = np.zeros(left.shape, dtype=bool)
    losses = (*person.loss, person.coeruleus_loss, person.coeruleus_loss)
    contrasts = 2 * person.contrast
    for nucleus, loss, contrast in zip((*nigras, *coerulei), losses, contrasts, strict=True):
        gone = lost_fraction(nucleus, loss)
        healthy = contrast * nucleus.content * (1 - person.fading * nucleus.place**2)
        left += healthy * (1 - (1 - person.remaining) * gone)
        lost |= nucleus.mask & (gone >= 0.5)
    return left, nigras[0].mask | nigras[1].mask, lost


def lost_fraction(nucleus: Nucleus, loss: float) -> NDArray[np.float64]:
    """Return the lost fraction of each voxel, for a loss of a fraction of the nucleus."""
    if loss == 0:
        return np.zeros(nucleus.place.shape)
    gone: NDArray[np.float64] = 1 / (1 + np.exp(-4 * (nucleus.place - (1 - loss)) / FRONT))
    return gone
