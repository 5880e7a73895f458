"""T1-weighted signal after contrast, of tumours and of vessels and choroid plexus."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hrcam.simulate.fields import smooth_field
from hrcam.simulate.tumours.growth import Compartment
from hrcam.simulate.tumours.tumour_type import Point, Tumour

WHITE, GREY, FLUID = 0.88, 0.7, 0.28
"""T1 signal of white matter, grey matter and fluid in the template."""

EDGE = 0.8
"""Standard deviation of the blur that softens edges within and around a tumour, in voxels."""

PLEXUS_MM = (
    (24.0, -42.0, 10.0),
    (-24.0, -42.0, 10.0),
    (8.0, -16.0, 20.0),
    (-8.0, -16.0, 20.0),
    (4.0, -48.0, -34.0),
    (-4.0, -48.0, -34.0),
)
"""Where choroid plexus is, in MNI millimetres."""

SINUS_MM = ((0.0, -38.0, 6.0), (0.0, -48.0, 6.0), (0.0, -66.0, 0.0), (0.0, -88.0, -8.0))
"""Course of the great vein and the straight sinus, in MNI millimetres."""


def paint(
    rng: np.random.Generator,
    tumour: Tumour,
    signal: NDArray[np.float64],
    compartments: NDArray[np.uint8],
    voxel_size: float,
) -> NDArray[np.float64]:
    """Give the compartments of a tumour their signal.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of signals and texture.
    tumour : Tumour
        The tumour.
    signal : ndarray, shape (*spatial)
        Signal without the tumour.
    compartments : ndarray, shape (*spatial), uint8
        A `Compartment` for each voxel, or 0.
    voxel_size : float
        Millimetres.

    Returns
    -------
    ndarray, shape (*spatial)
        Signal with the tumour; the same away from it.
    """
    from scipy import ndimage

    grain = smooth_field(rng, signal.shape, max(3.0 / voxel_size, 1.0))
    cloud = smooth_field(rng, signal.shape, max(0.5 * tumour.radius / voxel_size, 1.5))
    levels = {
        Compartment.ENHANCING: WHITE * tumour.enhancement * (1 + 0.06 * grain + 0.1 * cloud),
        Compartment.NECROSIS_OR_CYST: FLUID * rng.uniform(1.0, 1.7) * (1 + 0.12 * cloud),
        Compartment.OEDEMA: signal * rng.uniform(0.72, 0.88),
        Compartment.CALCIFICATION: np.full(signal.shape, FLUID * rng.uniform(0.4, 1.0)),
        Compartment.SOLID: GREY * rng.uniform(0.85, 1.1) * (1 + 0.06 * grain),
    }
    painted = signal.copy()
    for compartment, level in levels.items():
        where = compartments == compartment
        painted[where] = level[where]
    near = ndimage.binary_dilation(compartments > 0)
    blurred = ndimage.gaussian_filter(painted, EDGE)
    painted[near] = blurred[near]
    return painted


def enhance_vessels(
    rng: np.random.Generator,
    signal: NDArray[np.float64],
    *,
    millimetres: NDArray[np.float64],
    brain: NDArray[np.bool_],
    fluid: NDArray[np.float32],
    voxel_size: float,
) -> NDArray[np.float64]:
    """Enhance vessels in sulci, deep veins and choroid plexus, as in every brain.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of strength and course.
    signal : ndarray, shape (*spatial)
        Signal before contrast.
    millimetres : ndarray, shape (3, *spatial)
        MNI coordinates in the template.
    brain : ndarray, shape (*spatial), bool
        Where the brain is.
    fluid : ndarray, shape (*spatial)
        Probability of ventricles or cisterns.
    voxel_size : float
        Millimetres.

    Returns
    -------
    ndarray, shape (*spatial)
        Signal after contrast.
    """
    # Where two fields are both near zero is a set of curves: vessels cut by a slice are dots.
    spacing = max(7.0 / voxel_size, 1.5)
    course = [smooth_field(rng, signal.shape, spacing) for _ in range(2)]
    vessels = np.exp(-((np.hypot(*course) / 0.45) ** 2)) * np.clip(2.5 * fluid, 0, 1)
    lumps = 0.6 + 0.5 * smooth_field(rng, signal.shape, max(3.0 / voxel_size, 1.0))
    plexus = np.clip(lumps, 0, 1) * np.clip(1.5 * fluid, 0, 1)
    plexus *= _near(millimetres, PLEXUS_MM, PLEXUS_MM, width=4.5)
    veins = _near(millimetres, SINUS_MM[:-1], SINUS_MM[1:], width=1.4)
    amounts = rng.uniform((0.5, 0.3, 0.3), (1.5, 1.3, 1.5))
    gain = sum(
        amount * part for amount, part in zip(amounts, (vessels, plexus, veins), strict=True)
    )
    enhanced: NDArray[np.float64] = np.where(brain, np.maximum(signal, WHITE * gain), signal)
    return enhanced


def _near(
    millimetres: NDArray[np.float64],
    starts: Sequence[Point],
    ends: Sequence[Point],
    *,
    width: float,
) -> NDArray[np.float64]:
    """Return 1 on the lines from starts to ends, falling to 0 over a width in mm."""
    squared = np.full(millimetres.shape[1:], np.inf)
    for start, end in zip(starts, ends, strict=True):
        course = np.subtract(end, start)
        length = max(float(course @ course), 1e-12)
        along = [m - s for m, s in zip(millimetres, start, strict=True)]
        share = sum(a * c for a, c in zip(along, course, strict=True)) / length
        share = np.clip(share, 0, 1)
        away = sum((a - share * c) ** 2 for a, c in zip(along, course, strict=True))
        np.minimum(squared, away, out=squared)
    out: NDArray[np.float64] = np.exp(-squared / (2 * width**2))
    return out
