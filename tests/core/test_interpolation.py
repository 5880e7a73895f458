"""U_l and the mean of U_l."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from hrcam.levels.geometry import Lattice
from hrcam.levels.operators import mean_weights, sample, upsample


def test_half_pixel_centres_by_hand():
    fine = upsample(torch.tensor([[[0.0, 4.0]]]), (4,))
    assert fine.flatten().tolist() == [0.0, 1.0, 3.0, 4.0]


def test_same_size_is_handed_back():
    maps = torch.rand(1, 2, 3, 4)
    assert upsample(maps, (3, 4)) is maps


@pytest.mark.parametrize(
    ("size", "grid", "expected"),
    [
        (2, 4, [0.5, 0.5]),  # an integer ratio: all alike
        (2, 3, [0.5, 0.5]),
        (3, 4, [0.34375, 0.3125, 0.34375]),
        (1, 5, [1.0]),
        (3, 1, [0.0, 1.0, 0.0]),  # downsampling reads the middle alone
        (4, 2, [0.25, 0.25, 0.25, 0.25]),
    ],
)
def test_mean_weights_by_hand(size, grid, expected):
    np.testing.assert_allclose(mean_weights(size, grid), expected, atol=1e-15)


@given(size=st.integers(1, 40), grid=st.integers(1, 90))
def test_mean_weights_are_the_adjoint_of_interpolation(size, grid):
    one_each = torch.eye(size, dtype=torch.float64)[:, None]
    columns = F.interpolate(one_each, size=grid, mode="linear", align_corners=False).mean((1, 2))
    np.testing.assert_allclose(mean_weights(size, grid), columns.numpy(), atol=1e-12)
    assert abs(mean_weights(size, grid).sum() - 1) < 1e-12


def test_mean_weights_cannot_be_spoilt_in_the_cache():
    with pytest.raises(ValueError, match="read-only"):
        mean_weights(3, 4)[0] = 1.0


@given(
    st.lists(st.tuples(st.integers(1, 5), st.integers(1, 12)), min_size=1, max_size=3),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_sample_is_upsample_at_some_places(axes, moved, random):
    sizes, grid = (tuple(one) for one in zip(*axes, strict=True))
    lattice = Lattice(tuple(0.3 for _ in axes), tuple(1.7 for _ in axes)) if moved else None
    maps = torch.arange(6.0 * np.prod(sizes)).reshape(2, 3, *sizes).sin()
    rows = [torch.tensor(sorted(random.sample(range(n), random.randint(1, n)))) for n in grid]
    expected = upsample(maps, grid, lattice)
    for axis, some in enumerate(rows):
        expected = expected.index_select(axis + 2, some)
    torch.testing.assert_close(sample(maps, grid, rows, lattice), expected)
