"""Smooth random fields, for deformations, bias fields and lesion outlines."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


def smooth_field(
    rng: np.random.Generator, shape: tuple[int, ...], spacing: float
) -> NDArray[np.float64]:
    """Draw a smooth random field: white noise on a coarse grid, blended by cubic B-splines.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the noise.
    shape : tuple of int
        Shape of the field, in any number of dimensions.
    spacing : float
        Distance between the nodes of the coarse grid, in voxels; the field changes over about
        this distance.

    Returns
    -------
    ndarray, shape ``shape``
        Normal with mean 0 and standard deviation 1 at every voxel.
    """
    bases = [_spline_basis(n, spacing) for n in shape]
    field = rng.standard_normal([basis.shape[1] for basis in bases])
    for basis in bases:
        # Each pass contracts the first axis and puts it last, so after all of them the order is
        # back. No BLAS: its rounding can depend on the number of threads.
        field = np.einsum("ij,j...->...i", basis, field)
    return np.ascontiguousarray(field)


@lru_cache(maxsize=64)
def _spline_basis(n: int, spacing: float) -> NDArray[np.float64]:
    """Weights of the coarse nodes at each of ``n`` positions, scaled to unit variance."""
    position = np.arange(n) / spacing
    cell = np.floor(position).astype(int)
    t = position - cell
    weights = [(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3]
    basis = np.zeros((n, cell[-1] + 4))
    for offset, weight in enumerate(weights):
        basis[np.arange(n), cell + offset] = weight
    basis /= np.linalg.norm(basis, axis=1, keepdims=True)
    basis.setflags(write=False)
    return basis
