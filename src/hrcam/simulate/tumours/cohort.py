"""Cohorts of ependymomas and glioblastomas."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from hrcam.simulate.acquisition import BIAS_SPACING_MM, acquire, normalise
from hrcam.simulate.anatomy import (
    BRAIN_THRESHOLD,
    CENTRE_MM,
    FIELD_OF_VIEW_MM,
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
from hrcam.simulate.parameters import check_between, check_dimensions, check_whole
from hrcam.simulate.subject import Subject
from hrcam.simulate.tumours.appearance import enhance_vessels, paint
from hrcam.simulate.tumours.growth import Compartment, grow
from hrcam.simulate.tumours.tumour_type import EPENDYMOMA, GLIOBLASTOMA, Tumour, draw_tumour

ROTATION, SCALING, TRANSLATION_MM, ELASTIC_MM = 8.0, 0.12, 3.0, 2.5
"""Variation of the anatomy, as in `LesionCohort`."""

BIAS = 0.1
"""Standard deviation of the logarithm of the bias field."""

REACH = 3.6
"""Extent of the box around a tumour and its oedema, in radii."""


@dataclass(frozen=True, kw_only=True)
class TumourCohort(SimulatedCohort):
    """Parameters of a cohort of simulated brain tumours on T1-weighted MRI after contrast.

    Every subject is the MNI152 template under its own deformation, with one tumour that displaces
    the brain around it. Glioblastomas are mostly in a hemisphere, irregular, with a thick
    enhancing rim, a necrotic core and oedema, and may cross the midline in the corpus callosum.
    Ependymomas are mostly in or beside a ventricle or in the posterior fossa, rounder, enhance in
    patches, and have cysts and calcifications. All ranges overlap. Vessels and choroid plexus
    enhance in both. Simulated images show the behaviour of methods with a known truth, not results
    for patients.

    Each subject also has `compartments`, whose labels are those of `Compartment`: 1 enhancing, 2
    necrosis or cyst, 3 oedema, 4 calcification, 5 solid and not enhancing. The mask is all of
    them together.

    Attributes
    ----------
    dimensions : int
        2 for the axial slice through the tumour, 3 for volumes.
    subjects : int
        Number of images, one for each subject.
    size : int or None
        Pixels along each edge of the square or cube of 192 mm. None: 128 in 2D, 96 in 3D.
    glioblastoma_fraction : float
        Share of subjects with a glioblastoma; they are spread evenly over the cohort.
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

    kind: ClassVar[str] = "tumours"
    description: ClassVar[str] = (
        "Simulated images: the deformed MNI152 T1 template with simulated contrast enhancement, "
        "and a simulated ependymoma or glioblastoma. No patient was scanned. Labels in "
        "compartments: "
        + ", ".join(f"{c.value} {c.name.lower().replace('_', ' ')}" for c in Compartment)
        + "."
    )
    labels: ClassVar[tuple[str, str]] = ("ependymoma", "glioblastoma")
    regions: ClassVar[tuple[str, ...]] = ("compartments",)
    covariates: ClassVar[tuple[str, ...]] = ("location",)

    dimensions: int = 2
    subjects: int = 400
    size: int | None = None
    glioblastoma_fraction: float = 0.5
    test_fraction: float = 0.2
    noise: float = 0.03
    seed: int = 0

    def __post_init__(self) -> None:
        check_dimensions(self.dimensions)
        check_whole("subjects", self.subjects, 1)
        check_whole("seed", self.seed, 0)
        if self.size is not None:
            check_whole("size", self.size, 32)
        check_between("glioblastoma_fraction", self.glioblastoma_fraction, 0.0, 1.0)
        check_between("test_fraction", self.test_fraction, 0.0, 1.0)
        check_between("noise", self.noise, 0.0, 1.0)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of every image."""
        size = self.size if self.size is not None else {2: 128, 3: 96}[self.dimensions]
        return (size,) * self.dimensions

    @property
    def spacing(self) -> tuple[float, ...]:
        """Distance between voxels along each axis, in millimetres."""
        return (FIELD_OF_VIEW_MM / self.shape[0],) * self.dimensions

    @property
    def positive_fraction(self) -> float:
        """Share of subjects with a glioblastoma."""
        return self.glioblastoma_fraction

    def has_mask(self, index: int) -> bool:
        """Return True: both classes have a tumour."""
        del index
        return True

    def covariates_of(self, index: int) -> Mapping[str, str]:
        """Return the location of the tumour."""
        return {"location": self._tumour(index).location}

    def simulate(self, index: int) -> Subject:
        """Simulate one subject, from the parameters and its index alone.

        Parameters
        ----------
        index : int
            Which subject: 0 or more.

        Returns
        -------
        Subject
            Image, label, tumour mask, tissue, affine, and the region "compartments".
        """
        tumour = self._tumour(index)
        _, anatomy_rng, growth_rng, contrast_rng, acquisition_rng = self.streams(index, 5)
        voxel_size = self.spacing[0]
        anatomy = load_anatomy(voxel_size)
        pose = random_affine(
            anatomy_rng, rotation=ROTATION, scaling=SCALING, translation=TRANSLATION_MM
        )
        here = (np.linalg.inv(pose) @ [*tumour.centre, 1.0])[2]
        above = float(anatomy_rng.uniform(-0.35, 0.35)) * tumour.radius
        affine = grid_affine(
            self.shape, voxel_size, CENTRE_MM[2] if self.dimensions == 3 else here + above
        )
        coordinates = deformed_coordinates(
            anatomy_rng,
            self.shape,
            to_template=np.linalg.inv(anatomy.affine) @ pose @ affine,
            elastic=ELASTIC_MM,
            spacing=ELASTIC_SPACING_MM / voxel_size,
        )
        centre = np.reshape(tumour.centre, (3, *(1,) * self.dimensions))
        offsets = template_millimetres(anatomy, coordinates) - centre
        if self.dimensions == 2:
            # The elastic deformation is not to move a small tumour out of its slice.
            offsets[2] += above - offsets[2][_nearest(offsets)]
        coordinates = displaced(coordinates, offsets, tumour)
        t1 = sample(anatomy.t1, coordinates)
        tissue = sample(anatomy.tissue, coordinates)
        white = sample(load_white_matter(voxel_size), coordinates)
        brain = t1 > BRAIN_THRESHOLD
        fluid = np.where(brain, 1 - tissue, 0).astype(np.float32)

        box = _box(offsets, REACH * tumour.radius)
        compartments = np.zeros(self.shape, dtype=np.uint8)
        compartments[box] = grow(
            growth_rng,
            tumour,
            offsets[(slice(None), *box)],
            brain=brain[box],
            white=white[box],
            fluid=_ventricles(fluid[box], voxel_size),
            voxel_size=voxel_size,
        )
        signal = enhance_vessels(
            contrast_rng,
            t1.astype(np.float64),
            millimetres=template_millimetres(anatomy, coordinates),
            brain=brain,
            fluid=fluid,
            voxel_size=voxel_size,
        )
        signal[box] = paint(growth_rng, tumour, signal[box], compartments[box], voxel_size)
        acquired = acquire(
            acquisition_rng,
            signal,
            brain,
            bias=BIAS,
            noise=self.noise,
            spacing=BIAS_SPACING_MM / voxel_size,
        )
        return Subject(
            image=normalise(acquired, brain),
            label=self.label(index),
            mask=compartments > 0,
            tissue=tissue > 0.5,
            affine=affine,
            regions={"compartments": compartments},
        )

    def _tumour(self, index: int) -> Tumour:
        rng = self.streams(index, 5)[0]
        return draw_tumour(rng, GLIOBLASTOMA if self.label(index) else EPENDYMOMA)


def _nearest(offsets: NDArray[np.float64]) -> tuple[np.intp, ...]:
    return np.unravel_index(np.argmin((offsets**2).sum(axis=0)), offsets.shape[1:])


def displaced(
    coordinates: NDArray[np.float64], offsets: NDArray[np.float64], tumour: Tumour
) -> NDArray[np.float64]:
    """Push the brain away from the tumour: near it, voxels show what was closer to its centre."""
    distance = (offsets**2).sum(axis=0) / (1.8 * tumour.radius) ** 2
    out: NDArray[np.float64] = coordinates - tumour.displacement * np.exp(-distance) * offsets
    return out


def _box(offsets: NDArray[np.float64], reach: float) -> tuple[slice, ...]:
    near = np.abs(offsets).max(axis=0) <= reach
    bounds = []
    for axis in range(near.ndim):
        along = np.flatnonzero(near.any(axis=tuple(k for k in range(near.ndim) if k != axis)))
        bounds.append(slice(int(along[0]), int(along[-1]) + 1))
    return tuple(bounds)


def _ventricles(fluid: NDArray[np.float32], voxel_size: float) -> NDArray[np.float32]:
    """Fluid of more than the width of a sulcus: a tumour grows across that."""
    from scipy import ndimage

    wide: NDArray[np.float32] = ndimage.gaussian_filter(fluid, 2.0 / voxel_size)
    return wide
