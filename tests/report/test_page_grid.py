from dataclasses import replace

import nibabel
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hrcam.errors import InputError
from hrcam.report.viewer.page_grid import PICTURE_LIMIT, VOLUME_LIMIT, PageGrid


def test_a_picture_is_turned_to_columns_and_rows():
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    grid = PageGrid((2, 3))
    assert grid.page_shape == (3, 2, 1)
    assert not grid.is_volume
    assert grid.of(values)[2, 1, 0] == values[1, 2]
    np.testing.assert_array_equal(grid.page_affine, np.eye(4))


def test_a_volume_is_turned_to_ras():
    # The first axis runs to posterior, the second to the left, the third to inferior.
    affine = np.array([[0, -2, 0, 10], [-3, 0, 0, 20], [0, 0, -4, 30], [0, 0, 0, 1]], float)
    values = np.zeros((4, 5, 6), np.float32)
    values[1, 2, 3] = 1
    grid = PageGrid((4, 5, 6), affine)
    assert grid.page_shape == (5, 4, 6)
    assert grid.spacing == (2, 3, 4)
    place = np.argwhere(grid.of(values))[0]
    assert place.tolist() == [2, 2, 2]
    np.testing.assert_allclose(grid.page_affine @ [*place, 1], affine @ [1, 2, 3, 1])


@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.integers(2, 9), min_size=3, max_size=3),
    st.lists(st.integers(0, 8), min_size=3, max_size=3),
)
def test_a_voxel_keeps_its_millimetres(seed, shape, index):
    rng = np.random.default_rng(seed)
    matrix = np.linalg.qr(rng.normal(size=(3, 3)))[0] * rng.uniform(0.5, 4, 3)
    affine = nibabel.affines.from_matvec(matrix, rng.uniform(-99, 99, 3))
    index = np.minimum(index, np.array(shape) - 1)
    values = np.zeros(shape, np.float32)
    values[tuple(index)] = 1
    grid = PageGrid(tuple(shape), affine)
    page = grid.of(values)
    assert page.shape == grid.page_shape
    (place,) = np.argwhere(page)
    np.testing.assert_allclose(
        grid.page_affine @ [*place, 1], affine @ [*index, 1], rtol=1e-9, atol=1e-7
    )


def test_what_is_too_large_is_averaged_in_blocks():
    shape = (2 * VOLUME_LIMIT, 3, 2 * VOLUME_LIMIT + 1)
    affine = np.diag([1.0, 2.0, 0.5, 1.0])
    grid = PageGrid(shape, affine)
    assert grid.blocks == (2, 1, 3)
    assert grid.page_shape == (VOLUME_LIMIT, 3, -(-shape[2] // 3))
    assert grid.spacing == (2, 2, 1.5)
    # A ramp in millimetres is read off where the page says it is.
    x = np.arange(shape[0], dtype=np.float32)[:, None, None]
    z = 0.5 * np.arange(shape[2], dtype=np.float32)[None, None]
    page = grid.of(np.broadcast_to(x + z, shape))
    place = grid.page_affine @ [7, 1, 20, 1]
    assert page[7, 1, 20] == pytest.approx(place[0] + place[2])


def test_the_edge_is_repeated_where_the_last_block_is_cut():
    side = 2 * PICTURE_LIMIT + 3
    grid = PageGrid((3, side))
    assert grid.blocks == (3, 1, 1)
    picture = np.zeros((3, side), np.float32)
    picture[:, -2:] = 6
    assert side % 3 == 2
    assert grid.of(picture)[-1, 0, 0] == 6
    assert grid.of(np.ones((3, side), np.float32)).min() == 1


def test_a_volume_has_its_own_resolution_and_the_group_a_reduced_one():
    grid = PageGrid((182, 3, 100), np.diag([1.0, 2.0, 1.0, 1.0]))
    assert grid.blocks == (1, 1, 1)
    assert grid.page_shape == (182, 3, 100)
    reduced = replace(grid, reduced=True)
    assert reduced.page_shape == (91, 3, 100)
    values = np.random.default_rng(0).normal(size=grid.shape).astype(np.float32)
    expected = values.reshape(91, 2, 3, 100).mean(1)
    np.testing.assert_allclose(grid.reduce(grid.of(values)), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(reduced.page_affine[:, 3], [0.5, 0, 0, 1])


@given(st.integers(1, 3 * VOLUME_LIMIT))
def test_what_is_reduced_has_the_shape_of_the_reduced_grid(size):
    grid = PageGrid((size, 2, 2), np.eye(4))
    values = grid.of(np.ones(grid.shape, np.float32))
    assert grid.reduce(values).shape == replace(grid, reduced=True).page_shape


def test_a_slice_in_space_is_a_volume_of_one():
    affine = np.diag([1.0, 2.0, 5.0, 1.0])
    grid = PageGrid((8, 9, 1), affine)
    assert grid.page_shape == (8, 9, 1)
    assert not grid.is_volume
    # Its image comes without the axis of length 1.
    assert grid.of(np.ones((8, 9), np.float32)).shape == (8, 9, 1)


@pytest.mark.parametrize("shape", [(4,), (2, 3, 4, 5), (0, 4)])
def test_refuses_what_has_no_planes(shape):
    with pytest.raises(InputError, match="neither two nor three"):
        PageGrid(shape)


def test_refuses_another_shape_and_a_singular_affine():
    with pytest.raises(InputError, match=r"\(3, 2\), not \(2, 3\)"):
        PageGrid((2, 3)).of(np.zeros((3, 2), np.float32))
    with pytest.raises(InputError, match="singular"):
        PageGrid((2, 3, 4), np.diag([1.0, 0.0, 1.0, 1.0]))
