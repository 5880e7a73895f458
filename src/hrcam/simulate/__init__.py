"""Simulated cohorts: images whose lesions are known to the voxel.

Every image is the MNI152 T1 template, which ships with nilearn, under a random affine and
elastic deformation, a bias field and Rician noise; half of the subjects also have one to three
faint irregular lesions. Slices and volumes are made by the same code. The images are simulated:
they show how a method behaves where the truth is known, and nothing about patients.

- `LesionCohort`: the parameters of a cohort.
- `simulate_subject`: one `Subject`, from the parameters and an index alone.
- `simulate_images`: a whole cohort as arrays.
- `write_cohort`: a whole cohort as a folder, restartable.

Examples
--------
>>> from hrcam.simulate import LesionCohort, simulate_images
>>> images, labels, masks = simulate_images(LesionCohort(subjects=4), workers=1)
>>> images.shape, labels.tolist(), masks.shape
((4, 1, 128, 128), [0, 1, 0, 1], (4, 128, 128))
"""

from hrcam.simulate.cohort import LesionCohort
from hrcam.simulate.folder import write_cohort
from hrcam.simulate.images import simulate_images
from hrcam.simulate.subject import Subject, simulate_subject

__all__ = ["LesionCohort", "Subject", "simulate_images", "simulate_subject", "write_cohort"]
