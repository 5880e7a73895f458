"""How far pooled features lie from those of the fit, and the limit that few images exceed."""

import math

import numpy as np
import pytest
import torch
from architectures import simple
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.covariance import LedoitWolf

from hrcam import HRCAM
from hrcam.errors import LevelError
from hrcam.head.conformal import conformal_limit
from hrcam.head.feature_distribution import FeatureDistribution, feature_distribution
from hrcam.levels.capture import capture
from hrcam.levels.operators import pool


def test_a_distance_by_hand():
    known = FeatureDistribution(
        mean=np.array([1.0, 2.0]),
        scale=np.array([2.0, 1.0]),
        directions=np.array([[1.0, 0.0]], np.float32),
        variances=np.array([4.0]),
        remaining=np.array(0.25),
    )
    # z = (2, 1): 2² / 4 along the direction, and 1² / 0.25 beside it.
    assert known.distances(np.array([[5.0, 3.0], [1.0, 2.0]])) == pytest.approx([math.sqrt(5), 0])


@pytest.mark.parametrize("images", [40, 8], ids=["more images", "fewer images than features"])
def test_the_covariance_is_that_of_ledoit_and_wolf(images):
    rng = np.random.default_rng(0)
    pooled = rng.normal(size=(images, 12)) @ rng.normal(size=(12, 12)) + 5
    others = rng.normal(size=(7, 12)) * 3
    z, z_of_others = ((values - pooled.mean(0)) / pooled.std(0) for values in (pooled, others))
    reference = LedoitWolf(assume_centered=True).fit(z)
    for values, standardised in ((pooled, z), (others, z_of_others)):
        np.testing.assert_allclose(
            feature_distribution(pooled).distances(values) ** 2,
            reference.mahalanobis(standardised),
            rtol=1e-4,
        )


def test_units_of_features_do_not_matter():
    rng = np.random.default_rng(1)
    pooled, others = rng.normal(size=(30, 5)), rng.normal(size=(4, 5))
    units = np.array([1.0, 2.0, 0.5, 100.0, 10.0])
    distances = feature_distribution(pooled).distances(others)
    in_others = feature_distribution(units * pooled).distances(units * others)
    np.testing.assert_allclose(in_others, distances, rtol=1e-5)


def test_a_nearly_constant_feature_makes_no_image_look_far_away():
    rng = np.random.default_rng(2)
    pooled = rng.normal(size=(50, 3))
    pooled[:, 2] = 1 + 1e-9 * rng.normal(size=50)
    changed = pooled[:1] + np.array([0, 0, 1e-6])
    known = feature_distribution(pooled)
    np.testing.assert_allclose(known.distances(changed), known.distances(pooled[:1]), rtol=1e-3)


@pytest.mark.parametrize("pooled", [np.ones((1, 3)), np.ones((5, 3)), np.zeros((2, 3))], ids=str)
def test_images_without_variance_leave_finite_distances(pooled):
    distances = feature_distribution(pooled).distances(np.array([pooled[0], pooled[0] + 1]))
    assert distances[0] == 0
    assert 0 < distances[1] < np.inf


def test_two_images_are_enough():
    distances = feature_distribution(np.array([[0.0, 1.0, 2.0], [1.0, 1.0, 4.0]])).distances(
        np.array([[0.5, 1.0, 3.0], [1.0, 1.0, 4.0], [1.0, 1.0, 3.0]])
    )
    assert distances[0] == pytest.approx(0, abs=1e-6)
    assert distances[1] == pytest.approx(1, rel=1e-2)
    assert distances[1] < distances[2] < np.inf


def test_a_limit_by_hand():
    scores = np.arange(1.0, 40.0)  # the 38th of 39
    assert conformal_limit(scores, 0.05) == 38
    assert conformal_limit(np.arange(1.0, 20.0), 0.05) == 19
    assert conformal_limit(np.arange(1.0, 19.0), 0.05) == math.inf
    assert conformal_limit(np.array([]), 0.05) == math.inf


@settings(max_examples=50, deadline=None)
@given(
    scores=st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=60),
    rate=st.sampled_from([0.05, 0.1, 0.25, 0.5]),
)
def test_of_exchangeable_images_no_larger_share_exceeds_the_limit_of_the_others(scores, rate):
    beyond = sum(
        score > conformal_limit(np.array(scores[:place] + scores[place + 1 :]), rate)
        for place, score in enumerate(scores)
    )
    assert beyond <= rate * len(scores) + 1e-9


@pytest.fixture(scope="module")
def fitted():
    model = simple().eval()
    images = torch.randn(24, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    return HRCAM(model).fit([images], target="logits"), images


def test_the_distance_is_of_the_pooled_features_of_all_levels(fitted):
    hr, images = fitted
    _, parts = capture(hr.model, images, hr.levels, lambda _, level: pool(level, (32, 32)))
    pooled = torch.cat(parts, 1).double().numpy()
    expected = feature_distribution(pooled).distances(pooled)
    np.testing.assert_allclose(hr.explain(images).distance, expected, rtol=1e-3)
    np.testing.assert_array_equal(hr.logits(images).distance, hr.explain(images).distance)
    np.testing.assert_allclose(
        hr.logits(images[3:4]).distance, hr.logits(images).distance[3:4], rtol=1e-4
    )


def test_images_of_another_kind_are_farther_than_all_images_of_the_fit(fitted):
    hr, images = fitted
    ramp = torch.linspace(-3, 3, 32).expand(1, 1, 32, 32)
    for other in (ramp, 5 * images[:1], torch.full((1, 1, 32, 32), 4.0)):
        assert hr.logits(other).distance.min() > 2 * hr.logits(images).distance.max()


def test_the_model_runs_once(fitted):
    hr, images = fitted
    calls = []
    with hr.model.register_forward_hook(lambda *_: calls.append(1)):
        hr.explain(images)
    assert len(calls) == 1


def test_features_that_are_not_finite_are_refused(fitted):
    hr, _ = fitted
    with pytest.raises(LevelError, match="NaN or infinite"):
        hr.logits(torch.full((1, 1, 32, 32), 3e38))
