"""Contracting before upsampling gives what upsampling before contracting would."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hrcam.levels.operators import contract, upsample


def test_by_hand():
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
def test_half_precision_accumulates_in_single(dtype):
    maps = (100 + torch.randn(2, 70, 5, 3)).to(dtype)
    weights, offset = torch.randn(2, 4, 70), torch.randn(2, 4)
    summed = contract(maps, weights, offset)
    expected = contract(maps.double(), weights.double(), offset.double())
    assert summed.dtype == torch.float32
    # Sums of 70 terms of 100 that cancel: single precision leaves 1e-3.
    torch.testing.assert_close(summed.double(), expected, rtol=0, atol=2e-3)


def test_views_and_channels_last_maps():
    maps = torch.randn(2, 6, 4, 5)
    weights, offset = torch.randn(3, 6), torch.randn(3)
    expected = contract(maps, weights, offset)
    strided = maps.to(memory_format=torch.channels_last)
    torch.testing.assert_close(contract(strided, weights, offset), expected)
    view = torch.cat([maps, maps], 1)[:, 6:]
    torch.testing.assert_close(contract(view, weights, offset), expected)
