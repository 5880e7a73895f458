"""Simulate one subject or a whole cohort in memory."""

import numpy as np
from numpy.typing import NDArray

from hrcam.errors import InputError
from hrcam.simulate.cohort import SimulatedCohort
from hrcam.simulate.parallel import for_each_subject
from hrcam.simulate.subject import Subject


def simulate_subject(cohort: SimulatedCohort, index: int) -> Subject:
    """Simulate one subject of a cohort.

    The result depends on the cohort's parameters and on ``index`` alone, not on the number of
    subjects.

    Parameters
    ----------
    cohort : SimulatedCohort
        The parameters.
    index : int
        Which subject: 0 or more.

    Returns
    -------
    Subject
        Image, label, mask, tissue, affine and regions.

    Raises
    ------
    InputError
        If ``index`` is negative, or the brain has no room for the pathology.
    """
    if index < 0:
        raise InputError(f"index is {index}: use 0 or more")
    return cohort.simulate(index)


def simulate_images(
    cohort: SimulatedCohort, workers: int | None = None, progress: bool = True
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.bool_]]:
    """Simulate a cohort in memory; the result does not depend on the number of processes.

    Parameters
    ----------
    cohort : SimulatedCohort
        The parameters.
    workers : int or None
        Number of processes; 1 stays in this one, None takes one for each core.
    progress : bool
        Show a progress bar, if standard error is a terminal.

    Returns
    -------
    images : ndarray, shape (N, 1, *spatial), float32
        Simulated images from 0 to 1, with a mean of 0.5 over the brain.
    labels : ndarray, shape (N,), int64
        0 or 1, as ``cohort.labels`` names them.
    masks : ndarray, shape (N, *spatial), bool
        Where the pathology is; empty where there is none.

    Raises
    ------
    InputError
        If ``workers`` is less than 1, or a brain has no room for the pathology.
    """
    images = np.empty((cohort.subjects, 1, *cohort.shape), dtype=np.float32)
    labels = np.empty(cohort.subjects, dtype=np.int64)
    masks = np.empty((cohort.subjects, *cohort.shape), dtype=bool)
    subjects = for_each_subject(
        _image, cohort, range(cohort.subjects), workers=workers, progress=progress
    )
    for i, (image, label, mask) in enumerate(subjects):
        images[i, 0], labels[i], masks[i] = image, label, mask
    return images, labels, masks


def _image(
    cohort: SimulatedCohort, index: int
) -> tuple[NDArray[np.float32], int, NDArray[np.bool_]]:
    """Return only the needed arrays, to limit the transfer between processes."""
    subject = simulate_subject(cohort, index)
    return subject.image, subject.label, subject.mask
