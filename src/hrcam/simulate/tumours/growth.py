"""Simulate the compartments of a tumour."""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from hrcam.simulate.fields import smooth_field
from hrcam.simulate.tumours.tumour_type import Tumour

WAIST = 0.3
"""Reduction of the width of a tumour of the corpus callosum at the midline, in radii."""

FILLING = 0.3
"""Additional extent of a tumour in a ventricle, in radii."""


class Compartment(IntEnum):
    """Labels of the voxels of a tumour; 0 is everything else."""

    ENHANCING = 1
    NECROSIS_OR_CYST = 2
    OEDEMA = 3
    CALCIFICATION = 4
    SOLID = 5


def grow(
    rng: np.random.Generator,
    tumour: Tumour,
    offsets: NDArray[np.float64],
    *,
    brain: NDArray[np.bool_],
    white: NDArray[np.float32],
    fluid: NDArray[np.float32],
    voxel_size: float,
) -> NDArray[np.uint8]:
    """Grow a tumour in a box around it.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of random shapes.
    tumour : Tumour
        The tumour.
    offsets : ndarray, shape (3, *box)
        Millimetres from its centre, right, anterior and superior.
    brain : ndarray, shape (*box), bool
        Where it may be, ventricles included.
    white, fluid : ndarray, shape (*box)
        Probability of white matter, where oedema spreads, and of ventricles or cisterns.
    voxel_size : float
        Millimetres.

    Returns
    -------
    ndarray, shape (*box), uint8
        A `Compartment` for each voxel, or 0.
    """
    from scipy import ndimage

    def field(radii: float) -> NDArray[np.float64]:
        spacing = max(radii * tumour.radius / voxel_size, 1.5)
        return smooth_field(rng, brain.shape, spacing)

    outline = tumour.irregularity * np.clip(0.85 * field(0.7) + 0.5 * field(0.3), -1.6, 1.6)
    # How deep within the tumour a voxel is, in radii.
    depth = 1 - _distance(rng, tumour, offsets) + outline
    if tumour.location in ("ventricle", "posterior fossa"):
        depth = depth + FILLING * fluid
        core = (depth > 0) & brain
    else:
        core = (depth > 0) & brain & (fluid < 0.5)

    labels = np.zeros(brain.shape, dtype=np.uint8)
    reach = tumour.oedema * np.exp(0.5 * field(0.5))
    labels[brain & (white > 0.5) & (depth > -reach)] = Compartment.OEDEMA
    # The share of a standard normal field that is above this is the share that enhances.
    patches = field(0.3) > -_quantile(tumour.enhancing)
    labels[core] = Compartment.SOLID
    labels[core & patches] = Compartment.ENHANCING
    rim = tumour.rim * np.exp(0.4 * field(0.45))
    # A tumour that meets a ventricle or the skull has its rim there too.
    within = ndimage.distance_transform_edt(core) * voxel_size / tumour.radius
    labels[np.minimum(depth, within) > rim] = Compartment.NECROSIS_OR_CYST
    for _ in range(tumour.cysts):
        ball = _ball(rng, core & (depth > 0.15), offsets, rng.uniform(0.14, 0.4) * tumour.radius)
        labels[core & ball] = Compartment.NECROSIS_OR_CYST
    for _ in range(tumour.calcifications):
        size = max(rng.uniform(1.0, 2.8), 0.8 * voxel_size)
        labels[core & _ball(rng, core, offsets, size)] = Compartment.CALCIFICATION
    return labels


def _distance(
    rng: np.random.Generator, tumour: Tumour, offsets: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Distance from the centre, in radii; 1 at the edge of a smooth tumour."""
    turn, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    if tumour.location != "corpus callosum":
        along = np.einsum("ij,j...->i...", turn, offsets)
        stretch = np.array(tumour.stretch)
        scaled = along / (tumour.radius * stretch).reshape(-1, *(1,) * (offsets.ndim - 1))
        return _length(scaled)
    # Two wings joined at the midline, bent forwards in the genu and backwards in the splenium.
    x, y, z = offsets
    across = (x + tumour.centre[0]) / tumour.radius
    bend = np.sign(tumour.centre[1]) * 0.22 * tumour.radius * across**2
    scaled = np.stack([across / 1.6, (y - bend) / (0.75 * tumour.radius), z / tumour.radius])
    waist: NDArray[np.float64] = WAIST * np.exp(-((across / 0.4) ** 2))
    return _length(scaled) + waist


def _length(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    length: NDArray[np.float64] = np.sqrt((vectors**2).sum(axis=0))
    return length


def _quantile(share: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(min(share, 0.9999)))


def _ball(
    rng: np.random.Generator,
    places: NDArray[np.bool_],
    offsets: NDArray[np.float64],
    radius: float,
) -> NDArray[np.bool_]:
    """Return a ball around a random one of the voxels; empty if there is none."""
    among = np.argwhere(places)
    if len(among) == 0:
        return np.zeros(places.shape, dtype=bool)
    centre = offsets[(slice(None), *among[rng.integers(len(among))])]
    apart = offsets - centre.reshape(-1, *(1,) * places.ndim)
    inside: NDArray[np.bool_] = (apart**2).sum(axis=0) < radius**2
    return inside
