"""Pooling without upsampling equals the mean of the upsampled map, at every size."""

import warnings

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hrcam.levels.operators import pool, upsample

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
def test_at_integer_ratios_it_is_the_plain_mean(size, ratio):
    maps = torch.randn(2, 3, *size, dtype=torch.float64)
    grid = tuple(ratio * one for one in size)
    torch.testing.assert_close(pool(maps, grid), maps.flatten(2).mean(-1), rtol=0, atol=1e-14)


def test_by_hand_at_a_ratio_that_is_not_whole():
    # Upsampled to four positions, 0 1 0 becomes 0.125-wide steps: 0, .625, .625, 0.
    maps = torch.tensor([[[0.0, 1.0, 0.0]]])
    assert upsample(maps, (4,)).flatten().tolist() == [0.0, 0.625, 0.625, 0.0]
    assert pool(maps, (4,)).item() == pytest.approx(0.3125)
    assert maps.mean().item() != pytest.approx(0.3125)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("grid", [(64, 64), (71, 45)])
def test_half_precision_accumulates_in_single(dtype, grid):
    # 70 channels: more than are converted at once. Values that half precision cannot sum.
    maps = (200 + torch.randn(1, 70, 32, 32)).to(dtype)
    pooled = pool(maps, grid)
    assert pooled.dtype == torch.float32
    expected = upsample(maps.double(), grid).flatten(2).mean(-1).float()
    torch.testing.assert_close(pooled, expected, rtol=1e-6, atol=0)


def test_precision_and_layout_are_kept():
    maps = torch.randn(1, 3, 5, 7, dtype=torch.float64)
    assert pool(maps, (9, 9)).dtype == torch.float64
    strided = maps.to(memory_format=torch.channels_last)
    torch.testing.assert_close(pool(strided, (9, 9)), pool(maps, (9, 9)))


def test_no_warning_reaches_the_user():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pool(torch.randn(1, 1, 3), (4,))
