"""Deviation of the level maps from those of reference images, and sums over levels, by hand."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from hrcam.levels import Level
from hrcam.levels.geometry import FeatureGrid
from hrcam.levels.operators import upsample
from hrcam.maps.deviation import ReferenceMoments, log_deviations, root_deviation
from hrcam.maps.level_sum import sum_levels


def deviation(*levels) -> np.ndarray:
    """Return the signed root deviation of standardised level maps with as many positions each."""
    terms = log_deviations([torch.tensor([level], dtype=torch.float64) for level in levels])
    return root_deviation(*sum(terms).unbind(1))[0].numpy()


def test_deviation_by_hand():
    """The root of the geometric mean of 1 + |z|, less 1."""
    # At the first position both z are 1; at the second they are 0 and -8.
    np.testing.assert_allclose(deviation([1.0, 0.0], [1.0, -8.0]), [1.0, -(2**0.5)])


def test_one_level_keeps_its_order_and_sign():
    np.testing.assert_allclose(deviation([-9.0, 0.0, 4.0]), [-3.0, 0.0, 2.0])


def test_the_sign_is_that_of_most_of_the_levels():
    """The size is not lowered by levels that disagree in sign."""
    found = deviation([3.0, -3.0], [3.0, -3.0], [-3.0, 3.0])
    np.testing.assert_allclose(found, [3**0.5, -(3**0.5)])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_precision_of_the_maps_is_kept(dtype):
    assert log_deviations([torch.rand(2, 3, dtype=dtype)])[0].dtype == dtype


def test_a_map_that_does_not_vary_has_no_precision():
    moments = ReferenceMoments(
        np.array([1, 0]), np.zeros((2, 2)), np.array([[0.5, 0.0], [0.0, 1e-13]])
    )
    np.testing.assert_array_equal(moments.precision, [[2, 0], [0, 0]])
    np.testing.assert_array_equal(moments.blank, [False, True])


def test_levels_are_summed_on_the_finest_from_where_their_positions_lie():
    """At 0 and 4 of eight positions, not at 1.5 and 5.5 as in the middle of their shares."""
    coarse = Level("a", "a", 1, (2,), (4.0,), feature_grid=FeatureGrid((0.0,), (4.0,)))
    fine = Level("b", "b", 1, (8,), (1.0,), feature_grid=FeatureGrid((0.0,), (1.0,)))
    maps = [torch.tensor([[[0.0, 4.0]]]), torch.ones(1, 1, 8)]
    found = sum_levels(maps, [coarse, fine], (8,))[0, 0]
    torch.testing.assert_close(found, torch.tensor([1.0, 2, 3, 4, 5, 5, 5, 5]))


def test_a_finest_level_that_is_not_the_image():
    """At 1, 3, 5, 7 of the image; the coarse positions, at 1 and 5, are its 0th and 2nd."""
    coarse = Level("a", "a", 1, (2,), (4.0,), feature_grid=FeatureGrid((1.0,), (4.0,)))
    fine = Level("b", "b", 1, (4,), (2.0,), feature_grid=FeatureGrid((1.0,), (2.0,)))
    maps = [torch.tensor([[[0.0, 4.0]]]), torch.zeros(1, 1, 4)]
    found = sum_levels(maps, [coarse, fine], (8,))[0, 0]
    torch.testing.assert_close(found, torch.tensor([0.0, 2, 4, 4]))


@pytest.mark.parametrize("grid", [(12,), (12, 8), (4, 8, 12)])
def test_levels_without_a_feature_grid_are_half_pixel(grid):
    """Two levels: PyTorch's own interpolation, added."""
    sizes = [tuple(side // 4 for side in grid), tuple(side // 2 for side in grid)]
    levels = [
        Level(name, name, 3, size, tuple(a / b for a, b in zip(grid, size, strict=True)))
        for name, size in zip("ab", sizes, strict=True)
    ]
    maps = [torch.randn(2, 3, *size) for size in sizes]
    before = [one.clone() for one in maps]
    mode = {1: "linear", 2: "bilinear", 3: "trilinear"}[len(grid)]
    expected = functional.interpolate(maps[0], sizes[1], mode=mode) + maps[1]
    torch.testing.assert_close(sum_levels(maps, levels, grid), expected)
    torch.testing.assert_close(maps, before, rtol=0, atol=0)


def test_three_levels_go_from_level_to_level():
    grid, sizes = (16,), [(2,), (4,), (16,)]
    levels = [Level(str(size), "", 1, size, (16 / size[0],)) for size in sizes]
    maps = [torch.randn(1, 1, *size) for size in sizes]
    expected = upsample(upsample(maps[0], (4,)) + maps[1], (16,)) + maps[2]
    torch.testing.assert_close(sum_levels(maps, levels, grid), expected)
