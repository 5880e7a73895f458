"""The fusion rule, by its contract alone: it may be replaced, and this file with it."""

import numpy as np
import pytest
import torch

from hrcam.fusion import LevelFusion, level_weights


def fusion_of(levels: int, **values) -> LevelFusion:
    """One class, and levels that are taken as they are."""
    plain = {
        "mean": (np.zeros((1, 1)),) * levels,
        "spread": np.ones((1, levels)),
        "weights": np.full((1, levels), 1 / levels),
        "extent": np.zeros(1),
    }
    return LevelFusion(**(plain | values))


def test_combine_by_hand():
    """z = (m - mean) / spread, then the signed geometric mean of 1 + |z|, less 1."""
    one, two = torch.tensor([[3.0, 1.0]]), torch.tensor([[10.0, -10.0]])
    fusion = LevelFusion(
        mean=(np.array([[9.0, 9.0], [1.0, 1.0]]), np.array([[9.0, 9.0], [0.0, 0.0]])),
        spread=np.array([[9.0, 9.0], [2.0, 10.0]]),
        weights=np.array([[9.0, 9.0], [0.25, 0.75]]),
        extent=np.zeros(2),
    )
    combined = fusion.combine(iter([one, two]), torch.tensor([1]), (2,))
    # At the first place both z are 1, at the second they are 0 and -1.
    expected = [[1.0, -(2**0.75 - 1)]]
    np.testing.assert_allclose(combined.numpy(), expected, rtol=1e-6)


def test_each_position_has_its_own_mean():
    """Low where others are high is a place, too, for a feature that falls with the class."""
    fusion = fusion_of(1, mean=(np.array([[-5.0, 0.0, 0.0]]),))
    combined = fusion.combine([torch.tensor([[-1.0, 0.0, -1.0]])], torch.tensor([0]), (3,))
    np.testing.assert_allclose(combined.numpy(), [[4.0, 0.0, -1.0]], rtol=1e-6)


def test_the_mean_is_brought_to_the_size_of_the_map():
    fusion = fusion_of(1, mean=(np.array([[0.0, 4.0]]),))
    z = fusion.standardise(0, torch.zeros(1, 4), torch.tensor([0]))
    np.testing.assert_allclose(z.numpy(), [[0, -1, -3, -4]])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_combine_keeps_the_precision_of_the_maps(dtype):
    maps = torch.rand(2, 3, dtype=dtype)
    assert fusion_of(1).combine([maps], torch.tensor([0, 0]), (3,)).dtype == dtype


def test_weights_by_hand():
    """AUC 0.75 against 1: (2 · 0.75 - 1)² to 1, that is a fifth to four fifths."""
    weights = level_weights(np.array([[0.75, 1.0, 0.2]]), np.ones((1, 3)))
    np.testing.assert_allclose(weights, [[0.2, 0.8, 0.0]])


def test_where_no_level_tells_the_class_all_count_alike():
    weights = level_weights(np.array([[0.5, 0.3, 0.1]]), np.ones((1, 3)))
    np.testing.assert_allclose(weights, [[1 / 3] * 3])


def test_flat_levels_do_not_count():
    auc, spread = np.array([[0.9, 0.9], [0.5, 0.5]]), np.array([[1.0, 0.0], [0.0, 0.0]])
    np.testing.assert_allclose(level_weights(auc, spread), [[1, 0], [0, 0]])
    maps = fusion_of(1, spread=np.zeros((1, 1))).combine(
        [torch.zeros(2, 5)], torch.zeros(2, dtype=torch.long), (5,)
    )
    assert torch.isfinite(maps).all()


@pytest.mark.parametrize(
    ("extent", "grid", "reach"),
    [(0.25, (32, 32), 4), (0.0, (32, 32), 0), (1 / 64, (32, 32, 32), 2), (0.25, (16, 64), 4)],
)
def test_reach_is_a_quarter_of_the_width_of_what_lights_up(extent, grid, reach):
    fusion = fusion_of(1, extent=np.array([extent]))
    assert fusion.reach(torch.tensor([0, 0]), grid) == [reach, reach]
