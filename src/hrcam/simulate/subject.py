"""One simulated subject, from nothing but the cohort's parameters and an index."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hrcam.errors import InputError
from hrcam.simulate.acquisition import BIAS_SPACING_MM, acquire, normalise
from hrcam.simulate.anatomy import (
    AXIAL_SLICES_MM,
    BRAIN_THRESHOLD,
    CENTRE_MM,
    grid_affine,
    load_anatomy,
)
from hrcam.simulate.cohort import LesionCohort
from hrcam.simulate.deformation import (
    ELASTIC_SPACING_MM,
    deformed_coordinates,
    random_affine,
    sample_anatomy,
)
from hrcam.simulate.lesions import add_lesions


@dataclass(frozen=True)
class Subject:
    """A simulated subject.

    Attributes
    ----------
    image : ndarray, shape (*spatial), float32
        T1-weighted image from 0 to 1, with a mean of 0.5 over the brain.
    label : int
        0 control, 1 lesion.
    mask : ndarray, shape (*spatial), bool
        Where the lesions are; empty for a control.
    tissue : ndarray, shape (*spatial), bool
        Grey and white matter, where lesions may be.
    affine : ndarray, shape (4, 4)
        From voxel indices (a slice has a third index, 0) to MNI millimetres.
    """

    image: NDArray[np.float32]
    label: int
    mask: NDArray[np.bool_]
    tissue: NDArray[np.bool_]
    affine: NDArray[np.float64]


def simulate_subject(cohort: LesionCohort, index: int) -> Subject:
    """Simulate one subject of a cohort.

    The result depends on the cohort's parameters and on ``index`` alone, not on the number of
    subjects. Anatomy, lesions and acquisition draw from random streams of their own: with
    ``lesion_fraction=0`` the same index gives the same brain, field and noise without lesions.

    Parameters
    ----------
    cohort : LesionCohort
        The parameters.
    index : int
        Which subject: 0 or more.

    Returns
    -------
    Subject
        Image, label, lesion mask, tissue and affine.

    Raises
    ------
    InputError
        If ``index`` is negative, or the brain has no room for the lesions.
    """
    if index < 0:
        raise InputError(f"index is {index}: use 0 or more")
    streams = np.random.default_rng([cohort.seed, index]).spawn(3)
    anatomy_rng, lesion_rng, acquisition_rng = streams

    shape, voxel_size = cohort.shape, cohort.resolution
    z = CENTRE_MM[2] if cohort.dimensions == 3 else float(anatomy_rng.choice(AXIAL_SLICES_MM))
    affine = grid_affine(shape, voxel_size, z)
    anatomy = load_anatomy(voxel_size)
    pose = random_affine(
        anatomy_rng,
        rotation=cohort.rotation,
        scaling=cohort.scaling,
        translation=cohort.translation,
    )
    coordinates = deformed_coordinates(
        anatomy_rng,
        shape,
        to_template=np.linalg.inv(anatomy.affine) @ pose @ affine,
        # The template has voxels of 1 mm.
        elastic=cohort.elastic,
        spacing=ELASTIC_SPACING_MM / voxel_size,
    )
    t1, tissue = sample_anatomy(anatomy, coordinates)
    brain = t1 > BRAIN_THRESHOLD
    if not brain.any():
        raise InputError(
            f"subject {index} has no brain in its image of {shape[0]} voxels of {voxel_size:g} mm: "
            "use more or larger voxels, or smaller deformations"
        )

    label = cohort.label(index)
    signal, mask = t1.astype(np.float64), np.zeros(shape, dtype=bool)
    if label == 1:
        try:
            signal, mask = add_lesions(
                lesion_rng,
                signal,
                tissue,
                number=cohort.number,
                radius=cohort.radius,
                contrast=cohort.contrast,
                strength=cohort.strength,
            )
        except InputError as error:
            raise InputError(f"subject {index}: {error}") from error
    acquired = acquire(
        acquisition_rng,
        signal,
        brain,
        bias=cohort.bias,
        noise=cohort.noise,
        spacing=BIAS_SPACING_MM / voxel_size,
    )
    return Subject(
        image=normalise(acquired, brain), label=label, mask=mask, tissue=tissue, affine=affine
    )
