"""The three linear operators on a feature map: interpolate, pool, contract."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from hrcam.levels.geometry import FeatureGrid
from hrcam.levels.operators import contract, mean_weights, pool, upsample, upsample_at


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
def test_upsample_at_is_upsample_at_the_given_rows(axes, moved, random):
    sizes, grid = (tuple(one) for one in zip(*axes, strict=True))
    feature_grid = (
        FeatureGrid(tuple(0.3 for _ in axes), tuple(1.7 for _ in axes)) if moved else None
    )
    maps = torch.arange(6.0 * np.prod(sizes)).reshape(2, 3, *sizes).sin()
    rows = [torch.tensor(sorted(random.sample(range(n), random.randint(1, n)))) for n in grid]
    expected = upsample(maps, grid, feature_grid)
    for axis, some in enumerate(rows):
        expected = expected.index_select(axis + 2, some)
    torch.testing.assert_close(upsample_at(maps, grid, rows, feature_grid), expected)


SIZES = st.integers(1, 3).flatmap(
    lambda dims: st.tuples(
        st.lists(st.integers(1, 9), min_size=dims, max_size=dims),
        st.lists(st.integers(1, 23), min_size=dims, max_size=dims),
    )
)


@given(sizes=SIZES, channels=st.integers(1, 5))
def test_pool_is_the_mean_of_the_upsampled_map(sizes, channels):
    size, grid = map(tuple, sizes)
    maps = torch.randn(2, channels, *size, dtype=torch.float64)
    expected = upsample(maps, grid).flatten(2).mean(-1)
    torch.testing.assert_close(pool(maps, grid), expected, rtol=0, atol=1e-12)


@given(size=st.lists(st.integers(1, 8), min_size=1, max_size=3), ratio=st.integers(1, 5))
def test_pool_at_integer_ratios_is_the_plain_mean(size, ratio):
    maps = torch.randn(2, 3, *size, dtype=torch.float64)
    grid = tuple(ratio * one for one in size)
    torch.testing.assert_close(pool(maps, grid), maps.flatten(2).mean(-1), rtol=0, atol=1e-14)


def test_pool_by_hand_at_a_ratio_that_is_not_whole():
    # Upsampled to four positions, 0 1 0 becomes 0.125-wide steps: 0, .625, .625, 0.
    maps = torch.tensor([[[0.0, 1.0, 0.0]]])
    assert upsample(maps, (4,)).flatten().tolist() == [0.0, 0.625, 0.625, 0.0]
    assert pool(maps, (4,)).item() == pytest.approx(0.3125)
    assert maps.mean().item() != pytest.approx(0.3125)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("grid", [(64, 64), (71, 45)])
def test_pool_of_half_precision_accumulates_in_single(dtype, grid):
    # 70 channels: more than are converted at once. Values that half precision cannot sum.
    maps = (200 + torch.randn(1, 70, 32, 32)).to(dtype)
    pooled = pool(maps, grid)
    assert pooled.dtype == torch.float32
    expected = upsample(maps.double(), grid).flatten(2).mean(-1).float()
    torch.testing.assert_close(pooled, expected, rtol=1e-6, atol=0)


def test_pool_keeps_precision_and_takes_any_layout():
    maps = torch.randn(1, 3, 5, 7, dtype=torch.float64)
    assert pool(maps, (9, 9)).dtype == torch.float64
    strided = maps.to(memory_format=torch.channels_last)
    torch.testing.assert_close(pool(strided, (9, 9)), pool(maps, (9, 9)))


def test_pool_gives_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pool(torch.randn(1, 1, 3), (4,))


def test_contract_by_hand():
    maps = torch.tensor([[[1.0, 2.0], [10.0, 20.0]]])  # two channels, two positions
    weights, offset = torch.tensor([[1.0, 0.5], [0.0, -1.0]]), torch.tensor([100.0, 0.0])
    assert contract(maps, weights, offset).tolist() == [[[106.0, 112.0], [-10.0, -20.0]]]


@given(
    sizes=st.integers(1, 3).flatmap(
        lambda dims: st.tuples(
            st.lists(st.integers(1, 6), min_size=dims, max_size=dims),
            st.lists(st.integers(1, 15), min_size=dims, max_size=dims),
        )
    ),
    channels=st.integers(1, 40),
    outputs=st.integers(1, 3),
    one_set=st.booleans(),
)
def test_contract_then_upsample_is_upsample_then_contract(sizes, channels, outputs, one_set):
    size, grid = map(tuple, sizes)
    images = 2
    maps = torch.randn(images, channels, *size, dtype=torch.float64)
    each = () if one_set else (images,)
    weights = torch.randn(*each, outputs, channels, dtype=torch.float64)
    offset = torch.randn(*each, outputs, dtype=torch.float64)
    cheap = upsample(contract(maps, weights, offset), grid)
    naive = torch.einsum(
        "bjk,bkp->bjp", weights.expand(images, -1, -1), upsample(maps, grid).flatten(2)
    )
    naive = naive + offset.expand(images, -1)[..., None]
    torch.testing.assert_close(cheap.flatten(2), naive, rtol=0, atol=1e-10)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_contract_of_half_precision_accumulates_in_single(dtype):
    maps = (100 + torch.randn(2, 70, 5, 3)).to(dtype)
    weights, offset = torch.randn(2, 4, 70), torch.randn(2, 4)
    summed = contract(maps, weights, offset)
    expected = contract(maps.double(), weights.double(), offset.double())
    assert summed.dtype == torch.float32
    # Sums of 70 terms of 100 that cancel: single precision leaves 1e-3.
    torch.testing.assert_close(summed.double(), expected, rtol=0, atol=2e-3)


def test_contract_takes_views_and_channels_last_maps():
    maps = torch.randn(2, 6, 4, 5)
    weights, offset = torch.randn(3, 6), torch.randn(3)
    expected = contract(maps, weights, offset)
    strided = maps.to(memory_format=torch.channels_last)
    torch.testing.assert_close(contract(strided, weights, offset), expected)
    view = torch.cat([maps, maps], 1)[:, 6:]
    torch.testing.assert_close(contract(view, weights, offset), expected)
