"""Each level's shares of evidence and pattern, against upsampling and standardising all."""

import numpy as np
import pytest
import torch

from hrcam.head.covariance import ALL_OTHERS
from hrcam.head.fit import fit_head
from hrcam.levels import Level
from hrcam.levels.operators import contract, upsample
from hrcam.maps.deviation import ReferenceMoments
from hrcam.maps.sensitivity import Sensitivity
from hrcam.maps.weights import EVIDENCE, PATTERN, RESAMPLED, MapWeights

LEVELS = [
    Level("coarse", "coarse", 5, (3, 4), (3.0, 3.0)),
    Level("fine", "fine", 3, (7, 9), (1, 1)),
]
GRID = (10, 13)
REFERENCES = np.array([1, 0, ALL_OTHERS])


@pytest.fixture
def head():
    generator = np.random.default_rng(0)
    pooled = 4 + generator.standard_normal((30, 8)) * np.arange(1, 9)
    return fit_head(pooled, np.arange(30.0) % 3, "labels", bootstrap=2)


def pattern(head, covariance):
    """r |r| σ for the raw feature map is r |r| σ² for the standardised one."""
    correlation = covariance.pattern(REFERENCES)
    return head.scale**2 * correlation * np.abs(correlation)


@pytest.mark.parametrize(
    ("kind", "vectors"),
    [
        (EVIDENCE, lambda head: head.weights),
        (PATTERN, lambda head: pattern(head, head.covariance)),
        (RESAMPLED, lambda head: pattern(head, head.resampled[0])),
        (RESAMPLED + 1, lambda head: pattern(head, head.resampled[1])),
    ],
)
def test_share_of_a_level_is_the_naive_one(kind, vectors, head):
    weights, start = MapWeights(head, LEVELS, REFERENCES), 0
    assert (weights.classes, weights.channels) == (3, 4)
    for index, level in enumerate(LEVELS):
        maps = torch.randn(2, level.channels, *level.size) + 4
        here = slice(start, start + level.channels)
        start += level.channels
        mean, scale = (torch.from_numpy(v[here])[:, None, None] for v in (head.mean, head.scale))
        z = (upsample(maps.double(), GRID) - mean) / scale
        naive = torch.einsum("ck,bkhw->bchw", torch.from_numpy(vectors(head)[:, here]), z)
        share = contract(maps, *weights.of(index, None, slice(kind, kind + 1)))
        torch.testing.assert_close(upsample(share, GRID).double(), naive, rtol=0, atol=1e-3)


def test_patterns_are_standardised_by_the_moments_on_reference_images(head):
    """(m - mean) / std for the fit and every refit; 0 where a level does not vary."""
    std = np.array([[2.0, 0.5], [4.0, 0.0], [1.0, 1.0]])
    moments = ReferenceMoments(REFERENCES, np.arange(6.0).reshape(3, 2), std)
    raw, standardised = (MapWeights(head, LEVELS, REFERENCES, one) for one in (None, moments))
    for index, level in enumerate(LEVELS):
        maps = torch.randn(2, level.channels, *level.size)
        before, after = (
            contract(maps, *one.of(index, None, slice(None))).reshape(2, 3, 4, -1)
            for one in (raw, standardised)
        )
        torch.testing.assert_close(after[:, :, EVIDENCE], before[:, :, EVIDENCE])
        for name in range(3):
            patterns = before[:, name, PATTERN:] - moments.mean[name, index]
            spread = std[name, index]
            expected = patterns / spread if spread else torch.zeros_like(patterns)
            torch.testing.assert_close(after[:, name, PATTERN:], expected, rtol=1e-4, atol=1e-3)


def test_logits_are_those_of_the_head(head):
    weights = MapWeights(head, LEVELS, REFERENCES)
    pooled = 4 + np.random.default_rng(1).standard_normal((5, 8))
    expected = torch.from_numpy(head.logits(pooled)).float()
    torch.testing.assert_close(weights.logits(torch.from_numpy(pooled).float()), expected)
    torch.testing.assert_close(
        weights.bias(torch.tensor([2, 0])), torch.from_numpy(head.bias[[2, 0]]).float()
    )


def test_all_classes_of_all_images_and_one_class_of_each_agree(head):
    weights, maps = MapWeights(head, LEVELS, REFERENCES), torch.randn(2, 5, 3, 4)
    every = contract(maps, *weights.of(0, None, slice(None))).reshape(2, 3, 4, 3, 4)
    classes = torch.tensor([[2, 0], [1, 1]])
    some = contract(maps, *weights.of(0, classes, slice(None))).reshape(2, 2, 4, 3, 4)
    for image in range(2):
        for place in range(2):
            torch.testing.assert_close(some[image, place], every[image, classes[image, place]])


def test_readouts_of_the_sensitivity_are_of_the_raw_features(head):
    sensitivity = Sensitivity(np.arange(16.0).reshape(2, 8) - 3, np.array([0.5, -2]))
    weights = MapWeights(head, LEVELS, REFERENCES, sensitivity=sensitivity)
    total = torch.zeros(2, 2, *GRID)
    naive = torch.tensor([0.5, -2.0]).double()[:, None, None].expand(2, 2, *GRID)
    vectors = torch.from_numpy(sensitivity.weights).split([5, 3], dim=1)
    for index, level in enumerate(LEVELS):
        maps = torch.randn(2, level.channels, *level.size)
        total += upsample(contract(maps, *weights.readouts(index)), GRID)
        naive = naive + torch.einsum("jk,bkhw->bjhw", vectors[index], upsample(maps, GRID).double())
    torch.testing.assert_close(total, naive.float(), rtol=1e-5, atol=1e-4)
