from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from hrcam.errors import InputError
from hrcam.simulate.lesions.insertion import REACH, add_lesions


def tissue_of(shape: tuple[int, ...]) -> np.ndarray:
    """A ball with a slit, so that lesions are clipped and could be cut in two."""
    index = np.indices(shape) - (np.array(shape) // 2).reshape(-1, *(1,) * len(shape))
    ball = (index**2).sum(axis=0) < (0.45 * shape[0]) ** 2
    return ball & (np.abs(index[0]) > 1)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    dimensions=st.sampled_from([2, 3]),
    low=st.integers(1, 2),
    more=st.integers(0, 1),
    radius=st.tuples(st.floats(1.5, 4.0), st.floats(0.0, 3.0)),
    contrast=st.sampled_from(["brighter", "darker", "texture"]),
)
def test_separate_lesions_of_the_number_and_size_asked_for_in_tissue(
    seed, dimensions, low, more, radius, contrast
) -> None:
    shape = (72,) * dimensions if dimensions == 2 else (44,) * dimensions
    tissue = tissue_of(shape)
    image = np.where(tissue, 0.6, 0.1)
    before = image.copy()
    largest = radius[0] + radius[1]
    out, mask = add_lesions(
        np.random.default_rng(seed),
        image,
        tissue,
        number=(low, low + more),
        radius=(radius[0], largest),
        contrast=contrast,
        strength=0.2,
    )
    assert np.array_equal(image, before)
    assert not (mask & ~tissue).any()
    pieces, count = ndimage.label(mask, np.ones((3,) * dimensions))
    assert low <= count <= low + more
    for box in ndimage.find_objects(pieces):
        assert max(s.stop - s.start for s in box) <= 2 * REACH * largest + 1
    # Nothing changes away from the lesions.
    far = ~ndimage.binary_dilation(mask, np.ones((3,) * dimensions), iterations=4)
    assert np.array_equal(out[far], image[far])


@pytest.mark.parametrize(("contrast", "sign"), [("brighter", 1), ("darker", -1)])
@pytest.mark.parametrize("dimensions", [2, 3])
def test_contrast_is_full_inside_and_about_half_at_the_edge(contrast, sign, dimensions) -> None:
    shape = (64,) * dimensions
    image = np.random.default_rng(0).uniform(0.3, 0.9, shape)
    out, mask = add_lesions(
        np.random.default_rng(3),
        image,
        np.ones(shape, dtype=bool),
        number=(1, 1),
        radius=(8.0, 8.0),
        contrast=contrast,
        strength=0.15,
    )
    change = sign * (out / image - 1)
    core = ndimage.binary_erosion(mask, iterations=4)
    assert core.any()
    assert change[core] == pytest.approx(0.15, abs=0.002)
    rim = mask & ~ndimage.binary_erosion(mask)
    skin = ndimage.binary_dilation(mask) & ~mask
    assert 0.5 * 0.15 < change[rim].mean() < 0.85 * 0.15
    assert 0.1 * 0.15 < change[skin].mean() < 0.5 * 0.15


@pytest.mark.parametrize("dimensions", [2, 3])
def test_texture_keeps_the_mean_of_each_lesion_and_changes_its_grain(dimensions) -> None:
    shape = (64,) * dimensions
    image = np.full(shape, 0.6)
    for seed in range(10):
        out, mask = add_lesions(
            np.random.default_rng(seed),
            image,
            np.ones(shape, dtype=bool),
            number=(1, 2),
            radius=(5.0, 7.0),
            contrast="texture",
            strength=0.2,
        )
        pieces, count = ndimage.label(mask, np.ones((3,) * dimensions))
        means = ndimage.mean(out, pieces, range(1, count + 1))
        assert means == pytest.approx(0.6, abs=1e-12)
        assert 0.1 < out[mask].std() / 0.6 < 0.25
        # Also over a few voxels, the mean changes far less than the voxels themselves.
        blurred = ndimage.gaussian_filter(out, 3.0)
        assert np.abs(blurred[mask] - 0.6).mean() < 0.2 * np.abs(out[mask] - 0.6).mean()


def test_lesions_are_irregular() -> None:
    solidity = []
    for seed in range(20):
        _, mask = add_lesions(
            np.random.default_rng(seed),
            np.ones((64, 64)),
            np.ones((64, 64), dtype=bool),
            number=(1, 1),
            radius=(8.0, 8.0),
            contrast="brighter",
            strength=0.1,
        )
        # How well the ellipse of the same second moments fits.
        at = np.argwhere(mask)
        offset = np.indices(mask.shape).reshape(2, -1).T - at.mean(axis=0)
        inverse = np.linalg.inv(np.cov(at.T))
        ellipse = np.einsum("ni,ij,nj->n", offset, inverse, offset) < 4
        ellipse = ellipse.reshape(mask.shape)
        solidity.append(2 * (ellipse & mask).sum() / (ellipse.sum() + mask.sum()))
    assert 0.8 < np.mean(solidity) < 0.96


def test_area_grows_with_the_square_of_the_radius() -> None:
    areas = []
    for radius in (4.0, 8.0, 16.0):
        sizes = [
            add_lesions(
                np.random.default_rng(seed),
                np.ones((128, 128)),
                np.ones((128, 128), dtype=bool),
                number=(1, 1),
                radius=(radius, radius),
                contrast="brighter",
                strength=0.1,
            )[1].sum()
            for seed in range(40)
        ]
        areas.append(np.mean(sizes))
    assert np.array(areas) / (np.pi * np.array([4.0, 8.0, 16.0]) ** 2) == pytest.approx(1, abs=0.2)
    for small, large in pairwise(areas):
        assert large / small == pytest.approx(4, rel=0.2)


@pytest.mark.parametrize("tissue", [np.zeros((32, 32), dtype=bool), tissue_of((32, 32))])
def test_no_room_is_said(tissue) -> None:
    with pytest.raises(InputError, match=r"no room for 6 lesions .* fewer or smaller"):
        add_lesions(
            np.random.default_rng(0),
            np.ones((32, 32)),
            tissue,
            number=(6, 6),
            radius=(6.0, 6.0),
            contrast="brighter",
            strength=0.1,
        )
