"""Permutation tests with family-wise error control, of voxels and of clusters (nilearn's)."""

import warnings
from dataclasses import dataclass

import numpy as np
from nilearn.maskers import NiftiMasker
from nilearn.mass_univariate import permuted_ols
from numpy.typing import NDArray
from scipy import ndimage, stats

from hrcam.errors import InputError
from hrcam.group.design import Design
from hrcam.group.template_space import TemplateSpace

ALPHA = 0.05
"""Family-wise error that counts as significant."""

FORMING = 0.001
"""Voxel-wise p, two-sided and uncorrected, above whose t voxels form clusters."""

# Share of participants whose map must not be 0, as it is outside what the network saw.
_SEEN = 0.25


@dataclass(frozen=True, eq=False)
class PermutationTest:
    """Results on the grid of the maps, 0 (p: 1) outside the mask.

    Attributes
    ----------
    mask
        Voxels that were tested.
    t
        Of the group, given the confounds; positive where the first group is higher.
    effect
        Hedges' g from t: standardised difference, corrected for small samples.
    voxel_p
        Of the largest absolute t over all voxels, two-sided.
    cluster_p
        Of the size of the cluster that a voxel is in, two-sided; 1 where it is in none.
    clusters
        Number of the cluster of each voxel, 0 where it is in none; both signs apart.
    """

    mask: NDArray[np.bool_]
    t: NDArray[np.float64]
    effect: NDArray[np.float64]
    voxel_p: NDArray[np.float64]
    cluster_p: NDArray[np.float64]
    clusters: NDArray[np.int32]


def permutation_test(
    maps: NDArray[np.float32],
    design: Design,
    space: TemplateSpace,
    *,
    permutations: int,
    seed: int,
    workers: int = 1,
) -> PermutationTest:
    """Test the group in ``map ~ group + confounds`` (Freedman and Lane's scheme, two-sided).

    Parameters
    ----------
    maps
        One for each row of the design, shape (N, *grid).
    design
        The model.
    space
        The grid.
    permutations
        Number of random relabellings; the smallest possible p is 1 / permutations.
    seed
        Random seed.
    workers
        Number of processes. The relabellings depend on it, as each has its own random numbers.

    Raises
    ------
    InputError
        If no voxel lies in the maps of most participants.
    """
    mask = ((maps != 0).mean(0) >= _SEEN) & (maps.std(0) > 0)
    if not mask.any():
        raise InputError(
            "no voxel lies within what the network saw of most participants: the maps hold nothing "
            "to compare"
        )
    # The mask's own space: else the masker would resample.
    masker = NiftiMasker(mask_img=space.image(mask.astype(np.uint8)), standardize=None).fit()
    with warnings.catch_warnings():
        # nilearn's own image of clusters.
        warnings.filterwarnings("ignore", "Data array used to create a new image")
        found = permuted_ols(
            design.group[:, None],
            maps[:, mask].astype(np.float64),
            confounding_vars=design.confounds if design.confounds.size else None,
            n_perm=permutations,
            two_sided_test=True,
            random_state=seed,
            n_jobs=workers,
            masker=masker,
            threshold=FORMING,
            output_type="dict",
        )

    def on_grid(values: NDArray[np.float64], outside: float) -> NDArray[np.float64]:
        full = np.full(mask.shape, outside)
        full[mask] = values
        return full

    t = on_grid(np.nan_to_num(found["t"][0]), 0.0)
    clusters = _clusters(t, stats.t.isf(FORMING / 2, design.degrees_of_freedom))
    return PermutationTest(
        mask,
        t,
        t * _effect_of_t(design),
        on_grid(10.0 ** -found["logp_max_t"][0], 1.0),
        # nilearn gives the other voxels the p of a cluster of size 0.
        np.where(clusters > 0, on_grid(10.0 ** -found["logp_max_size"][0], 1.0), 1.0),
        clusters,
    )


def _effect_of_t(design: Design) -> float:
    """Return Hedges' g for a t of 1 (Nakagawa and Cuthill, 2007, with covariates)."""
    first = design.group.sum()
    second = len(design.group) - first
    freedom = design.degrees_of_freedom
    small = 1 - 3 / (4 * freedom - 1)
    return float(small * np.sqrt(1 / first + 1 / second))


def _clusters(t: NDArray[np.float64], limit: float) -> NDArray[np.int32]:
    """Label voxels that share faces, first those where the first group is higher."""
    above, count = ndimage.label(t > limit)
    below, _ = ndimage.label(t < -limit)
    return np.asarray(above + np.where(below > 0, below + count, 0), np.int32)
