"""Irregular lesions with soft edges, inside brain tissue."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hrcam.errors import InputError
from hrcam.simulate.fields import smooth_field

Contrast = Literal["brighter", "darker", "texture"]
"""How a lesion differs from the tissue around it."""

ELONGATION = 1.25
"""Largest ratio of a half-axis to the radius, and of the radius to a half-axis."""

IRREGULARITY = 0.4
"""Largest relative displacement of the outline from the ellipsoid."""

REACH = ELONGATION * (1 + IRREGULARITY)
"""No lesion extends further than this from its centre, in radii."""

DEPTH = 0.6
"""Least distance from the centre of a lesion to the edge of the tissue, in radii."""

ATTEMPTS = 100
"""How often all lesions of an image are placed anew before there is said to be no room."""

EDGE = 0.7
"""Standard deviation of the blur that softens the edge, in voxels."""


def add_lesions(
    rng: np.random.Generator,
    image: NDArray[np.floating],
    tissue: NDArray[np.bool_],
    *,
    number: tuple[int, int],
    radius: tuple[float, float],
    contrast: Contrast,
    strength: float,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Add lesions that are inside the tissue and do not touch each other.

    Each lesion is an ellipsoid with a smoothly displaced outline, clipped to the tissue and in
    one piece. Its effect is full at the centre and falls to about half at the edge of the mask.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of number, place, size and shape.
    image : ndarray, shape (*spatial)
        Signal without lesions, in two or three dimensions; not modified.
    tissue : ndarray, shape (*spatial), bool
        Where lesions may be.
    number : tuple of int
        Smallest and largest number of lesions.
    radius : tuple of float
        Smallest and largest radius, in voxels.
    contrast : {"brighter", "darker", "texture"}
        "brighter" and "darker" multiply the signal by ``1 + strength`` and ``1 - strength``;
        "texture" adds grain of two or three voxels, of standard deviation ``strength`` relative
        to the signal, and leaves the mean over each lesion as it was.
    strength : float
        Relative change of the signal.

    Returns
    -------
    image : ndarray, shape (*spatial), float64
        Signal with lesions.
    mask : ndarray, shape (*spatial), bool
        Where the lesions are.

    Raises
    ------
    InputError
        If the tissue has no room for that many lesions of that size.
    """
    out = np.array(image, dtype=np.float64)
    mask = np.zeros(image.shape, dtype=bool)
    count = int(rng.integers(number[0], number[1], endpoint=True))
    # The large ones first: the small ones find room between them.
    radii = np.sort(rng.uniform(*radius, count))[::-1]
    centres = _place(rng, tissue, radii)
    for centre, size in zip(centres, radii, strict=True):
        margin = int(np.ceil(REACH * size + 4 * EDGE))
        low = np.maximum(centre - margin, 0)
        high = np.minimum(centre + margin + 1, image.shape)
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        inside = _outline(rng, tissue[box], centre - low, size)
        out[box] *= 1 + strength * _effect(rng, out[box], inside, contrast)
        mask[box] |= inside
    return out, mask


def _place(
    rng: np.random.Generator, tissue: NDArray[np.bool_], radii: NDArray[np.float64]
) -> list[NDArray[np.intp]]:
    """Choose a centre for each radius: deep enough in the tissue, and apart from the others."""
    from scipy import ndimage

    depth = ndimage.distance_transform_edt(tissue)
    places = np.argwhere(depth >= DEPTH * radii[-1])
    depth = depth[tuple(places.T)]
    for _ in range(ATTEMPTS):
        distance = np.full(len(places), np.inf)
        centres: list[NDArray[np.intp]] = []
        for size in radii:
            room = np.flatnonzero((depth >= DEPTH * size) & (distance >= REACH * size + 2))
            if room.size == 0:
                break
            centres.append(places[rng.choice(room)])
            free = np.linalg.norm(places - centres[-1], axis=1) - REACH * size
            distance = np.minimum(distance, free)
        else:
            return centres
    raise InputError(
        f"the brain tissue has no room for {len(radii)} lesions with radii of {radii[-1]:.1f} to "
        f"{radii[0]:.1f} voxels: ask for fewer or smaller lesions, or for a larger image"
    )


def _outline(
    rng: np.random.Generator,
    tissue: NDArray[np.bool_],
    centre: NDArray[np.intp],
    radius: float,
) -> NDArray[np.bool_]:
    """One irregular, connected region around the centre, within the tissue of a box."""
    from scipy import ndimage

    dimensions = tissue.ndim
    limit = np.log(ELONGATION)
    half_axes = radius * np.exp(rng.uniform(-limit, limit, dimensions))
    # A random orthogonal matrix turns the ellipsoid.
    turn, _ = np.linalg.qr(rng.standard_normal((dimensions, dimensions)))
    offsets = np.indices(tissue.shape) - centre.reshape(-1, *(1,) * dimensions)
    along = np.einsum("ij,j...->i...", turn / half_axes[:, None], offsets)
    distance = np.sqrt((along**2).sum(axis=0))
    bumps = np.clip(0.7 * smooth_field(rng, tissue.shape, max(0.6 * radius, 1.5)), -1.0, 1.0)
    pieces, _ = ndimage.label(tissue & (distance < 1 + IRREGULARITY * bumps))
    region: NDArray[np.bool_] = pieces == pieces[tuple(centre)]
    return region


def _effect(
    rng: np.random.Generator,
    image: NDArray[np.float64],
    inside: NDArray[np.bool_],
    contrast: Contrast,
) -> NDArray[np.float64]:
    """Relative change of the signal in a box, for a strength of 1."""
    from scipy import ndimage

    weight: NDArray[np.float64] = ndimage.gaussian_filter(inside.astype(np.float64), EDGE)
    if contrast == "brighter":
        return weight
    if contrast == "darker":
        return -weight
    white = rng.standard_normal(image.shape)
    # The difference of two blurs has no mean over more than a few voxels.
    grain = ndimage.gaussian_filter(white, 0.7) - ndimage.gaussian_filter(white, 1.8)
    grain /= grain.std()
    share = (weight * image)[inside]
    # What is left of the mean goes exactly.
    grain -= (share * grain[inside]).sum() / share.sum()
    texture: NDArray[np.float64] = weight * grain
    return texture
