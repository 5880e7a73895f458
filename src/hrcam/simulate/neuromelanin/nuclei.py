"""The nuclei with neuromelanin, in MNI space: substantia nigra pars compacta, locus coeruleus."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NIGRA_Z_MM, NIGRA_HEIGHT_MM = -13.0, 6.5
"""Middle of the nigra, and how far it reaches above and below."""

NIGRA_MM = ((4.5, -14.0), (11.5, -14.0), (14.0, -24.0))
"""Control points of the right crescent, x and y: from its anteromedial to its posterolateral end.

The middle one is where the curve bends to, between the crus cerebri and the tegmentum.
"""

NIGRA_HALF_WIDTH_MM = 1.5

COERULEUS_MM = ((4.0, -37.0, -19.0), (6.5, -38.0, -31.0))
"""Upper and lower end of the right coeruleus, beside the floor of the fourth ventricle."""

COERULEUS_RADIUS_MM = 1.1

EDGE_MM = 0.5
"""Distance over which a nucleus fades into its surroundings."""


@dataclass(frozen=True)
class Nucleus:
    """A nucleus on the grid of an image.

    Attributes
    ----------
    content : ndarray, shape (*spatial)
        Healthy neuromelanin, 0 to 1.
    place : ndarray, shape (*spatial)
        Position of a voxel along the nucleus: 1 where disease starts (posterolateral nigra,
        lower coeruleus), 0 at the other end.
    """

    content: NDArray[np.float64]
    place: NDArray[np.float64]

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Voxels with at least half of the healthy content."""
        mask: NDArray[np.bool_] = self.content >= 0.5
        return mask


@dataclass(frozen=True)
class NucleusVariation:
    """Deviation of one subject's nuclei from the average.

    Attributes
    ----------
    shift : tuple of float
        Millimetres to the side, to the front and up, mirrored on the left.
    width, height : float
        Of the nuclei, relative to the average.
    """

    shift: tuple[float, float, float]
    width: float
    height: float


def draw_variation(rng: np.random.Generator) -> NucleusVariation:
    """Draw the deviation of a subject's nuclei.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of everything.

    Returns
    -------
    NucleusVariation
        Within a millimetre or so, and 12 %, of the average.
    """
    x, y, z = (float(s) for s in rng.normal(0, (0.5, 0.5, 0.8)))
    width, height = (float(f) for f in np.exp(rng.normal(0, 0.12, 2)))
    return NucleusVariation((x, y, z), width, height)


def nigra(millimetres: NDArray[np.float64], side: int, variation: NucleusVariation) -> Nucleus:
    """Find the substantia nigra of one side: a crescent between crus cerebri and tegmentum.

    Parameters
    ----------
    millimetres : ndarray, shape (3, *spatial)
        MNI coordinates of the voxels, in the template.
    side : {-1, 1}
        Left or right.
    variation : NucleusVariation
        Deviation of the subject's nuclei.

    Returns
    -------
    Nucleus
        On the grid of the coordinates.
    """
    x, y, z = _own(millimetres, side, variation)
    t = np.linspace(0, 1, 41)
    start, bend, end = np.array(NIGRA_MM)
    curve = np.outer((1 - t) ** 2, start) + np.outer(2 * t * (1 - t), bend) + np.outer(t**2, end)
    squared = np.full(x.shape, np.inf)
    place = np.zeros(x.shape)
    for along, (cx, cy) in zip(t, curve, strict=True):
        away = (x - cx) ** 2 + (y - cy) ** 2
        closer = away < squared
        squared[closer] = away[closer]
        place[closer] = along
    height = np.clip(1 - ((z - NIGRA_Z_MM) / (NIGRA_HEIGHT_MM * variation.height)) ** 2, 0, None)
    # Thickest in the middle of its length and height.
    taper = 0.65 + 0.35 * np.sin(np.pi * place)
    half_width = NIGRA_HALF_WIDTH_MM * variation.width * np.sqrt(height) * taper
    return Nucleus(_fading(np.sqrt(squared) - half_width, half_width), place)


def coeruleus(millimetres: NDArray[np.float64], side: int, variation: NucleusVariation) -> Nucleus:
    """Find the locus coeruleus of one side: a thin rod beside the fourth ventricle.

    Parameters
    ----------
    millimetres : ndarray, shape (3, *spatial)
        MNI coordinates of the voxels, in the template.
    side : {-1, 1}
        Left or right.
    variation : NucleusVariation
        Deviation of the subject's nuclei.

    Returns
    -------
    Nucleus
        On the grid of the coordinates.
    """
    own = _own(millimetres, side, variation)
    upper, lower = np.array(COERULEUS_MM)
    place = np.clip((own[2] - upper[2]) / (lower[2] - upper[2]), 0, 1)
    squared = sum(
        (o - (u + place * (v - u))) ** 2 for o, u, v in zip(own, upper, lower, strict=True)
    )
    radius = np.full(place.shape, COERULEUS_RADIUS_MM * variation.width)
    return Nucleus(_fading(np.sqrt(squared) - radius, radius), place)


def _own(
    millimetres: NDArray[np.float64], side: int, variation: NucleusVariation
) -> list[NDArray[np.float64]]:
    """Return the coordinates in the average right nucleus."""
    x, y, z = variation.shift
    return [side * millimetres[0] - x, millimetres[1] - y, millimetres[2] - z]


def _fading(outside: NDArray[np.float64], half_width: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1 inside, 0.5 at the edge, 0 outside, and 0 where a nucleus has no width."""
    content: NDArray[np.float64] = np.where(
        half_width > 0, 1 / (1 + np.exp(np.clip(4 * outside / EDGE_MM, -50, 50))), 0
    )
    return content
