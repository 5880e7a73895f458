"""The fusion rule, by its contract alone: it may be replaced, and this file with it."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hrcam.fusion import LevelStatistics, fuse, level_weights


def watched(maps: list[torch.Tensor], members: list[int], classes: int = 1) -> LevelStatistics:
    """Watch level maps of shape (B, *S_l) of class 0."""
    statistics = LevelStatistics(classes, len(maps))
    which = torch.zeros(len(members), 1, dtype=torch.long)
    grid = tuple(maps[-1].shape[1:])
    statistics.add([level[:, None] for level in maps], which, torch.tensor(members), grid)
    return statistics


def test_fuse_by_hand():
    maps = torch.tensor([[[1.0, 2.0], [10.0, 20.0]]])  # one image, two levels, two pixels
    assert fuse(maps, torch.tensor([[3.0, 0.5]])).tolist() == [[8.0, 16.0]]


def test_spread_is_that_of_the_other_images():
    maps = torch.tensor([[1.0, 3.0], [2.0, 6.0], [100.0, 0.0]])
    spread = watched([maps], [-1, -1, 0]).spread()
    np.testing.assert_allclose(spread, [[np.std([1, 3, 2, 6])]])


def test_peak_auc_by_hand():
    # Peaks 1, 2, 3, 4 of members 0, 1, 0, 1: three of the four pairs are in order.
    maps = torch.tensor([[0.0, 1.0], [2.0, 0.0], [0.0, 3.0], [4.0, 0.0]])
    np.testing.assert_allclose(watched([maps], [-1, 0, -1, 0]).peak_auc(), [[0.75]])


def test_agreement_of_equal_and_of_opposite_levels():
    maps = torch.randn(4, 5, 5)
    equal = watched([maps, maps], [0, 0, -1, -1]).agreement()
    np.testing.assert_allclose(equal, 1, atol=1e-5)
    opposite = watched([maps, -maps], [0, 0, -1, -1]).agreement()
    np.testing.assert_allclose(opposite, -1, atol=1e-5)


@given(batch=st.integers(1, 6))
def test_batches_do_not_matter(batch):
    maps = torch.randn(6, 4, 4)
    members = [0, -1, 0, -1, 0, -1]
    whole = level_weights(watched([maps, maps**2], members))
    parts = LevelStatistics(1, 2)
    for start in range(0, 6, batch):
        some = maps[start : start + batch, None]
        which = torch.zeros(len(some), 1, dtype=torch.long)
        own = torch.tensor(members[start : start + batch])
        parts.add([some, some**2], which, own, (4, 4))
    np.testing.assert_allclose(level_weights(parts), whole, rtol=1e-5)


@pytest.mark.parametrize("members", [[0, 0, 0, 0], [-1, -1, -1, -1], [0, 0, -1, -1]])
def test_weights_are_finite_and_not_negative(members):
    for maps in ([torch.randn(4, 5), torch.zeros(4, 5)], [torch.zeros(4, 5)] * 2):
        weights = level_weights(watched(maps, members))
        assert weights.shape == (1, 2)
        assert np.isfinite(weights).all()
        assert (weights >= 0).all()


def test_a_level_on_another_scale_counts_the_same():
    maps = torch.randn(8, 6, 6)
    maps[::2, 0, 0] += 5
    statistics = watched([maps, 1000 * maps], [0, -1] * 4)
    weights = level_weights(statistics)
    np.testing.assert_allclose(weights[0, 0], 1000 * weights[0, 1], rtol=1e-4)
