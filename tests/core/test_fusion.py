"""The fusion rule, by its contract alone: it may be replaced, and this file with it."""

import numpy as np
import pytest
import torch

from hrcam.head.covariance import ALL_OTHERS
from hrcam.levels import Level, Levels
from hrcam.levels.geometry import FeatureGrid
from hrcam.maps.fusion import LevelFusion

LOCAL, GLOBAL, BOTH = [True, False], [False, True], [True, True]


def fusion_of(count: int, classes: int = 1, **values) -> LevelFusion:
    """Levels that are taken as they are."""
    plain = {
        "levels": Levels([Level("level", "level", 1, (1,), (1.0,))] * count),
        "references": np.full(classes, ALL_OTHERS),
        "mean": (np.zeros((classes, 1)),) * count,
        "std": np.ones((classes, count, 2)),
        "used_baselines": np.full((classes, 2), True),
        "extent": np.zeros(classes),
    }
    return LevelFusion(**(plain | values))


def fused(fusion: LevelFusion, *levels, name: int = 0) -> np.ndarray:
    """Fuse the levels' maps of one image with as many places each."""
    maps = [torch.tensor([level], dtype=torch.float64) for level in levels]
    return fusion.fuse(maps, torch.tensor([name]), (len(levels[0]),))[0].numpy()


def test_a_level_is_upsampled_from_where_its_positions_lie():
    """At 0 and 4, not at 1.5 and 5.5 as in the middle of its shares of eight places."""
    level = Level("level", "level", 1, (2,), (4.0,), feature_grid=FeatureGrid((0.0,), (4.0,)))
    fusion = fusion_of(1, levels=Levels([level]))
    found = fusion.fuse([torch.tensor([[0.0, 3.0]])], torch.tensor([0]), (8,))[0]
    logarithms = np.array([0, 0.25, 0.5, 0.75, 1, 1, 1, 1]) * np.log(4)
    np.testing.assert_allclose(found, np.expm1(logarithms), rtol=1e-6)


def test_fuse_by_hand():
    """z = (m - mean) / std, then the geometric mean of 1 + |z|, less 1."""
    fusion = fusion_of(
        2,
        classes=2,
        mean=(np.array([[9.0, 9.0], [1.0, 1.0]]), np.array([[9.0, 9.0], [0.0, 0.0]])),
        std=np.array([[[9.0, 9.0]] * 2, [[2.0, 2.0], [10.0, 10.0]]]),
    )
    # At the first place both z are 1; at the second they are 0 and -8.
    found = fused(fusion, [3.0, 1.0], [10.0, -80.0], name=1)
    np.testing.assert_allclose(found, [1.0, -(9**0.5 - 1)])


def test_the_local_baseline_is_a_mean_for_each_position():
    """Low where others are high is a place, too, for a feature that falls with the class."""
    mean = (np.array([[-5.0, 0.0, -1.0]]),)
    found = fused(fusion_of(1, mean=mean, used_baselines=np.array([LOCAL])), [-1.0, 0.0, -2.0])
    np.testing.assert_allclose(found, [4.0, 0.0, -1.0])


def test_the_global_baseline_is_one_mean_for_all_positions():
    mean, std = (np.array([[-5.0, 0.0, -1.0]]),), np.array([[[1.0, 4.0]]])
    fusion = fusion_of(1, mean=mean, std=std, used_baselines=np.array([GLOBAL]))
    np.testing.assert_allclose(fused(fusion, [-1.0, 2.0, -6.0]), [0.25, 1.0, -1.0])


def test_with_both_baselines_the_smaller_deviation_counts():
    """What stands out at its place and nowhere else, or everywhere and at its place not, is dim."""
    mean, maps = (np.array([[4.0, 0.0, -4.0]]),), [4.0, 4.0, 0.0]
    by_baseline = [
        fused(fusion_of(1, mean=mean, used_baselines=np.array([baseline])), maps)
        for baseline in (LOCAL, GLOBAL, BOTH)
    ]
    np.testing.assert_allclose(by_baseline[0], [0, 4, 4])
    np.testing.assert_allclose(by_baseline[1], [4, 4, 0])
    np.testing.assert_allclose(by_baseline[2], [0, 4, 0])


def test_the_sign_is_that_of_most_of_the_levels():
    """The size is not lowered by levels that disagree in sign."""
    found = fused(fusion_of(3), [3.0, -3.0], [3.0, -3.0], [-3.0, 3.0])
    np.testing.assert_allclose(found, [3.0, -3.0])


def test_the_mean_is_brought_to_the_size_of_the_map():
    fusion = fusion_of(1, mean=(np.array([[0.0, 4.0]]),))
    z = fusion.standardise(0, torch.zeros(1, 4), torch.tensor([0]))
    np.testing.assert_allclose(z.numpy(), [[[0, -1, -3, -4], [-2, -2, -2, -2]]])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_fuse_keeps_the_precision_of_the_maps(dtype):
    maps = torch.rand(2, 3, dtype=dtype)
    assert fusion_of(1).fuse([maps], torch.tensor([0, 0]), (3,)).dtype == dtype


@pytest.mark.parametrize("flat", [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
def test_flat_levels_do_not_count(flat):
    std = np.array([[[1.0, 1.0], flat]])
    np.testing.assert_allclose(fused(fusion_of(2, std=std), [3.0], [100.0]), [3.0])


def test_where_all_levels_are_flat_there_is_nothing():
    found = fused(fusion_of(1, std=np.zeros((1, 1, 2))), [0.0, 5.0])
    np.testing.assert_array_equal(found, 0)


def test_images_of_a_batch_may_be_of_classes_with_other_baselines():
    mean = (np.array([[4.0, 0.0, -4.0]] * 3),)
    fusion = fusion_of(1, classes=3, mean=mean, used_baselines=np.array([LOCAL, GLOBAL, BOTH]))
    maps = torch.tensor([[4.0, 4.0, 0.0]] * 3)
    together = fusion.fuse([maps], torch.tensor([2, 0, 1]), (3,))
    np.testing.assert_allclose(together.numpy(), [[0, 4, 0], [0, 4, 4], [4, 4, 0]], rtol=1e-6)


@pytest.mark.parametrize(
    ("extent", "grid", "reach"),
    [(0.25, (32, 32), 4), (0.0, (32, 32), 0), (1 / 64, (32, 32, 32), 2), (0.25, (16, 64), 4)],
)
def test_reach_is_a_quarter_of_the_width_of_what_lights_up(extent, grid, reach):
    fusion = fusion_of(1, extent=np.array([extent]))
    assert fusion.reach(torch.tensor([0, 0]), grid) == [reach, reach]
