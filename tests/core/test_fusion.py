"""The fusion rule, by its contract alone: it may be replaced, and this file with it."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hrcam.fusion import LevelFusion, LevelStatistics, fit_fusion


def watched(maps: list[torch.Tensor], members: list[int], classes: int = 1) -> LevelStatistics:
    """Watch level maps of shape (B, *S_l) of class 0."""
    statistics = LevelStatistics(classes, len(maps))
    which = torch.zeros(len(members), 1, dtype=torch.long)
    grid = tuple(maps[-1].shape[1:])
    statistics.add([level[:, None] for level in maps], which, torch.tensor(members), grid)
    return statistics


def test_combine_by_hand():
    """z = (m - mean) / spread, then the signed geometric mean of 1 + |z|, less 1."""
    one, two = torch.tensor([[3.0, 1.0]]), torch.tensor([[10.0, -10.0]])
    fusion = LevelFusion(
        mean=np.array([[9.0, 9.0], [1.0, 0.0]]),
        spread=np.array([[9.0, 9.0], [2.0, 10.0]]),
        weights=np.array([[9.0, 9.0], [0.25, 0.75]]),
    )
    combined = fusion.combine(iter([one, two]), torch.tensor([1]), (2,))
    # At the first place both z are 1, at the second they are 0 and -1.
    expected = [[1.0, -(2**0.75 - 1)]]
    np.testing.assert_allclose(combined.numpy(), expected, rtol=1e-6)


def test_combine_keeps_the_precision_of_the_maps():
    fusion = LevelFusion(np.zeros((1, 1)), np.ones((1, 1)), np.ones((1, 1)))
    for dtype in (torch.float32, torch.float64):
        maps = torch.rand(2, 3, dtype=dtype)
        assert fusion.combine([maps], torch.tensor([0, 0]), (3,)).dtype == dtype


def test_mean_is_that_of_the_other_images():
    maps = torch.tensor([[1.0, 3.0], [2.0, 6.0], [100.0, 0.0]])
    np.testing.assert_allclose(watched([maps], [-1, -1, 0]).mean(), [[3.0]])


def test_spread_is_that_of_the_other_images():
    maps = torch.tensor([[1.0, 3.0], [2.0, 6.0], [100.0, 0.0]])
    spread = watched([maps], [-1, -1, 0]).spread()
    np.testing.assert_allclose(spread, [[np.std([1, 3, 2, 6])]])


def test_peak_auc_by_hand():
    # Peaks 1, 2, 3, 4 of members 0, 1, 0, 1: three of the four pairs are in order.
    maps = torch.tensor([[0.0, 1.0], [2.0, 0.0], [0.0, 3.0], [4.0, 0.0]])
    np.testing.assert_allclose(watched([maps], [-1, 0, -1, 0]).peak_auc(), [[0.75]])


@given(batch=st.integers(1, 6))
def test_batches_do_not_matter(batch):
    maps = torch.randn(6, 4, 4)
    members = [0, -1, 0, -1, 0, -1]
    whole = fit_fusion(watched([maps, maps**2], members))
    parts = LevelStatistics(1, 2)
    for start in range(0, 6, batch):
        some = maps[start : start + batch, None]
        which = torch.zeros(len(some), 1, dtype=torch.long)
        own = torch.tensor(members[start : start + batch])
        parts.add([some, some**2], which, own, (4, 4))
    fusion = fit_fusion(parts)
    for name in ("mean", "spread", "weights"):
        np.testing.assert_allclose(
            getattr(fusion, name), getattr(whole, name), rtol=1e-4, atol=1e-6
        )


@pytest.mark.parametrize("members", [[0, 0, 0, 0], [-1, -1, -1, -1], [0, 0, -1, -1]])
@pytest.mark.parametrize("flat", [1, 2])
def test_weights_are_finite_and_sum_to_one_or_nothing(members, flat):
    levels = [torch.randn(4, 5), torch.randn(4, 5)][flat:] + [torch.zeros(4, 5)] * flat
    weights = fit_fusion(watched(levels, members)).weights
    assert weights.shape == (1, 2)
    assert np.isfinite(weights).all()
    assert (weights >= 0).all()
    assert weights.sum() == pytest.approx(1) or weights.sum() == 0
    assert weights[0, -1] == 0  # the flat one


def test_weights_by_hand():
    """AUC 0.75 against 1: (2 · 0.75 - 1)² to 1, that is a fifth to four fifths."""
    some = torch.tensor([[0.0, 1.0], [2.0, 0.0], [0.0, 3.0], [4.0, 0.0]])
    perfect = torch.tensor([[0.0, 1.0], [5.0, 0.0], [0.0, 2.0], [6.0, 0.0]])
    fusion = fit_fusion(watched([some, perfect], [-1, 0, -1, 0]))
    np.testing.assert_allclose(fusion.weights, [[0.2, 0.8]])


def test_flat_levels_give_finite_maps():
    levels = [torch.zeros(4, 5), torch.zeros(4, 5)]
    fusion = fit_fusion(watched(levels, [0, 0, -1, -1]))
    assert torch.isfinite(fusion.combine(levels, torch.zeros(4, dtype=torch.long), (5,))).all()


def test_every_image_of_the_class_still_gives_a_map():
    """Without images of other classes there is nothing to compare with, yet no level is lost."""
    levels = [torch.randn(4, 5, 5), torch.randn(4, 5, 5)]
    fusion = fit_fusion(watched(levels, [0, 0, 0, 0]))
    assert fusion.weights.sum() == pytest.approx(1)
    np.testing.assert_allclose(fusion.spread, [[np.std(level.numpy()) for level in levels]], 1e-5)


def test_a_level_on_another_scale_counts_the_same():
    maps = torch.randn(8, 6, 6)
    maps[::2, 0, 0] += 5
    levels = [maps, 1000 * maps]
    fusion = fit_fusion(watched(levels, [0, -1] * 4))
    np.testing.assert_allclose(fusion.weights, [[0.5, 0.5]], rtol=1e-4)
    one, two = (
        LevelFusion(*(values[:, [i]] for values in (fusion.mean, fusion.spread, fusion.weights)))
        .combine([levels[i]], torch.zeros(8, dtype=torch.long), (6, 6))
        for i in range(2)
    )  # fmt: skip
    torch.testing.assert_close(one, two, rtol=1e-3, atol=1e-4)
