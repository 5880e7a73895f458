"""Where the grid lies: oblique, anisotropic, flipped, permuted, sheared, cropped and resampled."""

from itertools import permutations, product

import numpy as np
import pytest
from example_images import coordinates, nifti, picture, volumes
from hypothesis import assume, given
from hypothesis import strategies as st

from hrcam.preparation.grid import canonical_axes, place_grid

shares = st.tuples(*[st.floats(0.4, 2)] * 3)
shapes = st.tuples(*[st.integers(12, 32)] * 3)


def middle(image):
    return tuple((size - 1) / 2 for size in image.shape)


def lay(image, shape, spacing, centre=None):
    return place_grid(image, shape, spacing, centre or middle(image), canonical=True)


def times_voxels(image, shares):
    """Spacing of a grid, as shares of the voxels' along the same axes."""
    axes, _ = canonical_axes(image)
    return tuple(image.spacing[axis] * share for axis, share in zip(axes, shares, strict=True))


def fitted_world(grid, image):
    """The world as the grid sees it: origin (3,), one vector per grid axis (3, 3), and its error.

    From samples of world coordinates only, away from the edges, not from the grid's own numbers.
    """
    world = coordinates(image)
    indices = np.indices(image.shape).astype(float)
    steps = [abs(step) + 1 for step in grid.steps]
    kept = np.ones(grid.shape, bool)
    for step, axis in zip(steps, grid.axes, strict=True):
        sampled = grid.from_native(indices[axis])
        kept &= (sampled >= step) & (sampled <= image.shape[axis] - 1 - step)
    positions = np.indices(grid.shape)[:, kept].T
    if len(positions) < 8 or np.ptp(positions, axis=0).min() < 1:
        return None
    design = np.column_stack([np.ones(len(positions)), positions])
    samples = grid.from_native(world)[:, kept].T
    fit = np.linalg.lstsq(design, samples, rcond=None)[0]
    return fit[0], fit[1:].T, np.abs(design @ fit - samples).max()


@given(volumes(), shapes, shares)
def test_lines_in_the_world_are_lines_on_the_grid_at_its_spacing(image, shape, share):
    spacing = times_voxels(image, share)
    grid = lay(image, shape, spacing)
    seen = fitted_world(grid, image)
    assume(seen is not None)
    origin, vectors, error = seen
    assert error < 1e-9
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=0), spacing, rtol=1e-9)
    # The image's own axes run as closely as they can to right, anterior, superior.
    units = vectors / np.linalg.norm(vectors, axis=0)
    closeness = [
        sum(sign * units[place, axis] for place, (axis, sign) in enumerate(zip(p, s, strict=True)))
        for p in permutations(range(3))
        for s in product((1, -1), repeat=3)
    ]
    assert np.trace(units) == pytest.approx(max(closeness))
    # The middle of the grid lies on the middle of the image, up to rounding to whole voxels.
    centre = origin + vectors @ (np.array(shape) - 1) / 2
    wanted = image.affine[:3, :3] @ middle(image) + image.affine[:3, 3]
    voxels = np.linalg.solve(image.affine[:3, :3], centre - wanted)
    assert np.abs(voxels).max() <= 0.5 + 1e-9


@given(volumes(), shapes, shares)
def test_lines_on_the_grid_come_back_as_lines_in_the_world(image, shape, share):
    spacing = times_voxels(image, share)
    grid = lay(image, shape, spacing)
    seen = fitted_world(grid, image)
    assume(seen is not None)
    origin, vectors, _ = seen
    on_grid = origin[:, None] + vectors @ np.indices(shape).reshape(3, -1)
    back = grid.to_native(on_grid.reshape(3, *shape))
    # Voxels far enough from the edges of the grid, told from the world alone.
    world = coordinates(image).reshape(3, -1)
    place = np.linalg.solve(vectors, world - origin[:, None])
    margin = 1 + 1 / np.abs(grid.steps)[:, None]
    well_inside = ((place >= margin) & (place <= np.array(shape)[:, None] - 1 - margin)).all(0)
    np.testing.assert_allclose(
        back.reshape(3, -1)[:, well_inside], world[:, well_inside], atol=1e-6
    )
    outside = ((place < -0.51) | (place > np.array(shape)[:, None] - 0.49)).any(0)
    assert (back.reshape(3, -1)[:, outside] == 0).all()


@given(volumes(), st.data())
def test_a_marked_voxel_comes_back_at_its_own_voxel(image, data):
    """Also from the edge, and where the grid holds a part of the image only."""
    finer = data.draw(st.tuples(*[st.floats(0.3, 1)] * 3))
    grid = lay(image, (24, 24, 24), times_voxels(image, finer))
    voxel = tuple(data.draw(st.integers(0, size - 1)) for size in image.shape)
    marked = np.zeros(image.shape)
    marked[voxel] = 1
    seen = grid.to_native(np.ones(grid.shape)) > 0
    back = grid.to_native(grid.from_native(marked))
    if seen[voxel]:
        assert np.unravel_index(back.argmax(), image.shape) == voxel
    else:
        assert back[voxel] == 0


@given(volumes(), st.data())
def test_a_marked_position_comes_back_at_its_own_voxel_from_a_coarser_grid(image, data):
    coarser = data.draw(st.tuples(*[st.floats(1, 3)] * 3))
    grid = lay(image, (16, 16, 16), times_voxels(image, coarser))
    positions = np.argwhere(grid.inside)
    position = tuple(positions[data.draw(st.integers(0, len(positions) - 1))])
    marked = np.zeros(grid.shape)
    marked[position] = 1
    found = np.unravel_index(grid.to_native(marked).argmax(), image.shape)
    expected = [
        start + step * index
        for start, step, index in zip(grid.starts, grid.steps, position, strict=True)
    ]
    for axis, place in zip(grid.axes, expected, strict=True):
        assert abs(found[axis] - place) <= 0.5 + 1e-6


@given(volumes(), shares, st.permutations([0, 1, 2]), st.tuples(*[st.booleans()] * 3))
def test_how_a_volume_is_stored_does_not_matter(image, share, order, flips):
    for spaced in (times_voxels(image, share), times_voxels(image, (1, 1, 1))):
        stored, affine = image.voxels[0].transpose(order), image.affine[:, [*order, 3]].copy()
        for axis, flipped in enumerate(flips):
            if flipped:
                stored = np.flip(stored, axis)
                affine[:, 3] += affine[:, axis] * (stored.shape[axis] - 1)
                affine[:, axis] *= -1
        other = nifti(stored[None], affine)
        one_grid, other_grid = lay(image, (12, 13, 14), spaced), lay(other, (12, 13, 14), spaced)
        expected, found = one_grid.from_native(image.voxels[0]), other_grid.from_native(stored)
        np.testing.assert_allclose(found, expected, atol=1e-5)
        back = other_grid.to_native(found)
        for axis, flipped in enumerate(flips):
            back = np.flip(back, axis) if flipped else back
        np.testing.assert_allclose(
            back.transpose(np.argsort(order)), one_grid.to_native(expected), atol=1e-5
        )


def test_equal_spacing_copies_voxels_without_interpolating(rng):
    image = nifti(rng.normal(size=(1, 7, 10, 9)), np.diag([-2.0, 2, 2, 1]))
    grid = lay(image, (12, 12, 12), (2.0, 2.0, 2.0))
    on_grid = grid.from_native(image.voxels[0])
    # An x axis that runs to the left is turned; 7, 10 and 9 voxels stand in the middle of 12.
    np.testing.assert_array_equal(on_grid[2:9, 1:11, 1:10], image.voxels[0][::-1])
    np.testing.assert_array_equal(grid.to_native(on_grid), image.voxels[0])
    assert grid.inside.sum() == 7 * 10 * 9


@pytest.mark.parametrize(
    ("stored_shape", "affine", "expected"),
    [
        ((6, 8, 1), np.diag([-1.0, -1, 1, 1]), lambda v: v[::-1, ::-1]),  # axial, from LPS
        ((6, 1, 8), np.diag([1.0, 3, 1, 1]), lambda v: v),  # coronal
        ((1, 6, 8), np.diag([1.0, 1, -1, 1]), lambda v: v[:, ::-1]),  # sagittal
        ((6, 8, 1), np.eye(4)[[1, 0, 2, 3]], lambda v: v.T),  # first axis to anterior
    ],
)
def test_slices_are_turned_within_their_own_plane(rng, stored_shape, affine, expected):
    voxels = rng.normal(size=(6, 8)).astype(np.float32)
    image = nifti(voxels[None], affine, stored_shape)
    wanted = expected(voxels)
    grid = place_grid(image, wanted.shape, (1.0, 1.0), (2.5, 3.5), canonical=True)
    np.testing.assert_array_equal(grid.from_native(voxels), wanted)
    np.testing.assert_array_equal(grid.to_native(wanted), voxels)


def test_a_picture_fits_the_grid_with_its_aspect_ratio_in_the_middle():
    rows, columns = 60, 100
    image = picture(np.zeros((1, rows, columns)))
    grid = place_grid(image, (64, 64), None, middle(image), canonical=False)
    indices = np.indices((rows, columns)).astype(float)
    down, across = grid.from_native(indices)
    np.testing.assert_allclose(np.diff(down[:, 0])[20:-20], 100 / 64)
    np.testing.assert_allclose(np.diff(across[0])[3:-3], 100 / 64)
    # 60 rows are 38.4 positions: 38 lie inside, 13 are padding above and 13 below.
    np.testing.assert_array_equal(np.flatnonzero(grid.inside.all(1)), np.arange(13, 51))
    assert grid.inside.any(0).all()
    assert (grid.to_native(np.ones((64, 64))) == 1).all()


def test_pictures_keep_rows_and_columns_as_stored(rng):
    image = picture(rng.normal(size=(1, 5, 5)))
    grid = place_grid(image, (5, 5), None, (2.0, 2.0), canonical=False)
    np.testing.assert_array_equal(grid.from_native(image.voxels[0]), image.voxels[0])
