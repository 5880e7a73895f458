import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from monai.metrics.regression import compute_ssim_and_cs
from scipy.stats import spearmanr

from hrcam.errors import InputError
from hrcam.evaluation.similarity import spearman, ssim, top_overlap

GRIDS = [(20, 23), (13, 15, 14)]


def maps_of(values):
    return torch.tensor(values, dtype=torch.float32)[None]


def test_spearman_by_hand():
    # Ranks 1, 2, 3, 4 against 1, 3, 2, 4: 1 − 6 · (1 + 1) / (4 · 15).
    first, second = maps_of([[1, 5], [6, 7]]), maps_of([[0, 3], [2, 90]])
    assert spearman(first, second) == pytest.approx([1 - 12 / 60])


@given(st.data())
def test_spearman_equals_scipy_with_ties(data):
    shape = data.draw(array_shapes(min_dims=2, max_dims=3, min_side=2, max_side=5))
    values = arrays(np.float32, shape, elements=st.integers(-2, 2))
    first, second = data.draw(values), data.draw(values)
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        expected = 0.0
    else:
        expected = spearmanr(first.ravel(), second.ravel()).statistic
    result = spearman(torch.from_numpy(first)[None], torch.from_numpy(second)[None])
    assert result == pytest.approx([expected], abs=1e-12)


def test_spearman_in_a_region_and_image_by_image():
    first = torch.rand(2, 6, 7)
    second = -first
    second[:, :3] = first[:, :3]
    upper = torch.zeros(6, 7, dtype=torch.bool)
    upper[:3] = True
    assert spearman(first, second, upper) == pytest.approx([1, 1])
    assert spearman(first, second, torch.stack([upper, ~upper])) == pytest.approx([1, -1])


@pytest.mark.parametrize("grid", GRIDS)
def test_identical_maps_are_alike(grid):
    maps = torch.randn(2, *grid)
    assert ssim(maps, maps) == pytest.approx([1, 1], abs=1e-12)
    assert spearman(maps, maps) == pytest.approx([1, 1], abs=1e-12)
    assert top_overlap(maps, maps, 0.1).tolist() == [1, 1]
    assert ssim(maps, 3 * maps - 7) == pytest.approx([1, 1], abs=1e-5)
    assert spearman(maps, maps.exp()) == pytest.approx([1, 1], abs=1e-12)
    assert spearman(maps, -maps) == pytest.approx([-1, -1], abs=1e-12)


@pytest.mark.parametrize("grid", GRIDS)
def test_ssim_equals_monai(grid):
    first, second = torch.rand(2, *grid), torch.rand(2, *grid)
    second = 0.5 * first + 0.5 * second
    for maps in (first, second):  # from 0 to 1, as the metric expects
        maps -= maps.amin(tuple(range(1, maps.ndim)), keepdim=True)
        maps /= maps.amax(tuple(range(1, maps.ndim)), keepdim=True)
    dimensions = len(grid)
    local, _ = compute_ssim_and_cs(
        first[:, None], second[:, None], dimensions, [11] * dimensions, [1.5] * dimensions
    )
    assert ssim(first, second) == pytest.approx(local.flatten(1).mean(1).numpy(), abs=1e-5)


@pytest.mark.parametrize("grid", [(30, 30), (8, 30, 30), (1, 30, 30)])
def test_ssim_by_hand_where_maps_are_flat(grid):
    # One is 0 where the other is 1 and both are flat there: means give C1 / (1 + C1), spreads 1.
    step = torch.zeros(1, *grid)
    step[..., 15:] = 1
    left = torch.zeros(grid, dtype=torch.bool)
    left[..., :9] = True
    assert ssim(step, 1 - step, left) == pytest.approx([1e-4 / (1 + 1e-4)], rel=1e-6)
    assert ssim(step, torch.full_like(step, 5), left) == pytest.approx([1])  # constant maps are 0


def test_top_overlap_by_hand():
    first, second = maps_of([[9, 8, 7, 6], [1, 2, 3, 4]]), maps_of([[9, 1, 8, 2], [3, 4, 5, 6]])
    # The largest two are 9 and 8: places {0, 1} and {0, 2}, one of three shared.
    assert top_overlap(first, second, 0.25) == pytest.approx([1 / 3])


def test_blank_maps_share_nothing():
    blank = torch.zeros(1, 5, 5)
    assert top_overlap(blank, blank, 0.2).tolist() == [0]
    assert spearman(blank, torch.rand(1, 5, 5)).tolist() == [0]
    # A map that is 0 but for two voxels has these two as its top, however large the share.
    few = blank.clone()
    few[0, 1, 1:3] = 1
    one = blank.clone()
    one[0, 1, 1] = 1
    assert top_overlap(few, one, 0.5).tolist() == [0.5]


@pytest.mark.parametrize("score", [spearman, ssim, lambda a, b, r=None: top_overlap(a, b, 0.1, r)])
def test_refuses(score):
    maps = torch.rand(2, 5, 5)
    with pytest.raises(InputError, match="cannot be compared"):
        score(maps, maps[:1])
    with pytest.raises(InputError, match="NaN"):
        score(maps, maps * torch.nan)
    with pytest.raises(InputError, match="empty"):
        score(maps[:0], maps[:0])
    for region in (torch.ones(5, 5), np.ones((5, 5), bool)):
        with pytest.raises(InputError, match="region is a tensor of bool"):
            score(maps, maps, region)
    with pytest.raises(InputError, match="region has the shape"):
        score(maps, maps, torch.ones(5, 4, dtype=torch.bool))
    with pytest.raises(InputError, match="image 0: the region holds fewer than two"):
        score(maps, maps, torch.zeros(5, 5, dtype=torch.bool))


def test_refuses_a_share_or_a_region_without_values():
    maps = torch.rand(1, 20, 20)
    for share in (0.0, 1.0, float("nan")):
        with pytest.raises(InputError, match="share"):
            top_overlap(maps, maps, share)
    rim = torch.zeros(20, 20, dtype=torch.bool)
    rim[0] = True
    with pytest.raises(InputError, match="within 5 voxels of the border"):
        ssim(maps, maps, rim)
