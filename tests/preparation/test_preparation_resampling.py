"""Weights along one axis: exact for straight lines, means where the grid is coarser."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates

from hrcam.levels.operators import interpolation_matrix
from hrcam.preparation.resampling import resample, sampling_matrix

steps = st.floats(0.2, 9)


@given(steps, st.floats(-30, 30), st.integers(1, 40))
def test_a_constant_stays_a_constant(step, start, size):
    matrix = sampling_matrix(start + step * np.arange(20), size, step)
    np.testing.assert_allclose(matrix.sum(1), 1, atol=1e-12)
    assert matrix.min() >= 0


@given(steps, st.floats(-1, 1))
def test_a_straight_line_stays_straight_away_from_the_ends(step, offset):
    size = 60
    positions = offset + step * np.arange(-20, 60)
    within = (positions >= step + 1) & (positions <= size - 2 - step)
    sampled = sampling_matrix(positions, size, step) @ np.arange(size)
    np.testing.assert_allclose(sampled[within], positions[within], atol=1e-10)


def test_unit_steps_on_voxels_change_nothing():
    matrix = sampling_matrix(np.arange(-2.0, 7.0), 5, 1.0)
    np.testing.assert_array_equal(matrix[2:7], np.eye(5))
    np.testing.assert_array_equal(matrix[:2], [[1, 0, 0, 0, 0]] * 2)


@pytest.mark.parametrize(("size", "grid"), [(5, 5), (5, 8), (7, 30), (1, 4)])
def test_finer_grids_are_the_half_pixel_interpolation_of_the_maps(size, grid):
    positions = (np.arange(grid) + 0.5) * size / grid - 0.5
    expected = interpolation_matrix(size, grid)
    np.testing.assert_allclose(sampling_matrix(positions, size, size / grid), expected, atol=1e-12)


def test_a_coarser_sample_is_the_mean_over_its_width():
    # Twice the step: lines are averaged over √3 voxels, here around the centre of voxel 3.
    fine = np.linspace(3 - np.sqrt(3) / 2, 3 + np.sqrt(3) / 2, 200_001)
    values = np.array([0.0, 5, -2, 7, 1, 0, 4])
    expected = np.interp(fine, np.arange(7), values).mean()
    assert sampling_matrix(np.array([3.0]), 7, 2.0) @ values == pytest.approx(expected, abs=1e-4)


def test_stripes_finer_than_the_grid_become_grey_instead_of_false_stripes():
    stripes = np.arange(120) % 2.0
    sampled = sampling_matrix(np.arange(1.0, 119, 4.2), 120, 4.2) @ stripes
    assert np.ptp(sampled[1:-1]) < 0.05  # beyond the ends all is level
    assert np.ptp(stripes[::4]) == 0  # what taking every fourth voxel would show


def test_axes_are_resampled_as_one_multilinear_interpolation(rng):
    image = rng.normal(size=(2, 6, 7, 5))
    positions = [np.sort(rng.uniform(0, size - 1, 4)) for size in image.shape[1:]]
    matrices = [sampling_matrix(p, size, 1.0) for p, size in zip(positions, (6, 7, 5), strict=True)]
    coordinates = np.meshgrid(*positions, indexing="ij")
    expected = [map_coordinates(channel, coordinates, order=1) for channel in image]
    np.testing.assert_allclose(resample(image, matrices), expected, atol=1e-12)
