"""Simulated cohorts with voxel-wise known pathology.

Every image starts from the MNI152 T1 template, which ships with nilearn, under a random affine
and elastic deformation, and ends with a bias field and Rician noise. Slices and volumes are made
by the same code. Simulated images show the behaviour of methods with a known truth,
not results for patients.

- `LesionCohort`: half of the subjects have one to three faint irregular lesions.
- `MultiSiteLesionCohort`: the same at sites that look different and nearly tell the class.
- `TumourCohort`: ependymoma against glioblastoma, on T1-weighted MRI after contrast.
- `NeuromelaninCohort`: Parkinson's disease, on neuromelanin-sensitive MRI of the midbrain.
- `SimulatedCohort`: the base class, for further kinds.
- `simulate_subject`: one `Subject`, determined by the parameters and an index.
- `simulate_images`: a whole cohort as arrays.
- `write_cohort`: a whole cohort as a folder, restartable.

Examples
--------
>>> from hrcam.simulate import LesionCohort, simulate_images
>>> images, labels, masks = simulate_images(LesionCohort(subjects=4), workers=1)
>>> images.shape, labels.tolist(), masks.shape
((4, 1, 128, 128), [0, 1, 0, 1], (4, 128, 128))
"""

from hrcam.errors import require

require(__name__, "simulate", "nibabel", "nilearn", "PIL")

from hrcam.simulate.cohort import SimulatedCohort
from hrcam.simulate.folder import write_cohort
from hrcam.simulate.images import simulate_images, simulate_subject
from hrcam.simulate.lesions.cohort import LesionCohort
from hrcam.simulate.lesions.sites import MultiSiteLesionCohort
from hrcam.simulate.neuromelanin.cohort import NeuromelaninCohort
from hrcam.simulate.subject import Subject
from hrcam.simulate.tumours.cohort import TumourCohort

__all__ = [
    "LesionCohort",
    "MultiSiteLesionCohort",
    "NeuromelaninCohort",
    "SimulatedCohort",
    "Subject",
    "TumourCohort",
    "simulate_images",
    "simulate_subject",
    "write_cohort",
]
