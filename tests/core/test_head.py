"""Standardising, patterns, gauge and bootstrap, with numbers worked out by hand."""

import numpy as np
import pytest

from hrcam.head.covariance import ALL_OTHERS
from hrcam.head.fit import Head, centred_over_classes, fit_head


def pooled_data(images: int = 40, features: int = 6, classes: int = 3, seed: int = 0):
    generator = np.random.default_rng(seed)
    labels = (np.arange(images) % classes).astype(float)
    pooled = generator.standard_normal((images, features))
    pooled[:, :classes] += 2 * np.eye(classes)[labels.astype(int)]
    return 5 + 3 * pooled, labels


def patterns(head: Head) -> np.ndarray:
    """The pattern of each class against all others."""
    return head.covariance.pattern(np.full(len(head.bias), ALL_OTHERS))


def resampled_patterns(head: Head) -> np.ndarray:
    return np.array([one.pattern(np.full(len(head.bias), ALL_OTHERS)) for one in head.resampled])


def test_standardisation_by_hand():
    pooled = np.array([[1.0, 10.0], [3.0, 10.0], [1.0, 30.0], [3.0, 30.0]])
    head = fit_head(pooled, np.array([0.0, 1.0, 0.0, 1.0]), "labels")
    np.testing.assert_allclose(head.mean, [2.0, 20.0])
    np.testing.assert_allclose(head.scale, [1.0, 10.0])
    # Only the first feature tells the classes: it alone has a weight and a pattern.
    np.testing.assert_allclose(head.weights[:, 1], 0, atol=1e-6)
    assert head.weights[1, 0] > 0
    np.testing.assert_allclose(head.weights[0], -head.weights[1], atol=1e-12)
    np.testing.assert_allclose(patterns(head), [[-1, 0], [1, 0]], atol=1e-4)
    logits = head.logits(pooled)
    np.testing.assert_allclose(logits[:, 1], (pooled[:, 0] - 2) * head.weights[1, 0] + head.bias[1])


def test_least_squares_head_by_hand():
    """Logit = 3 g, with g of mean 2 and standard deviation 1: w = 3 and b = 6."""
    pooled = np.tile([[1.0], [3.0]], (6, 1))
    head = fit_head(pooled, 3 * pooled, "logits")
    assert head.weights[0, 0] == pytest.approx(3, rel=1e-5)
    assert head.bias[0] == pytest.approx(6, rel=1e-5)
    assert patterns(head)[0, 0] == pytest.approx(1)


def test_pattern_of_the_fitted_head_is_the_correlation_with_its_logits():
    pooled, labels = pooled_data()
    head = fit_head(pooled, labels, "labels")
    logits = head.logits(pooled)
    expected = np.corrcoef(pooled.T, logits.T)[:6, 6:].T
    np.testing.assert_allclose(patterns(head), expected, atol=1e-10)


def test_suppressors_have_weight_but_no_pattern():
    """Haufe's example: what only removes noise is used by the decision, and shows nothing."""
    generator = np.random.default_rng(0)
    labels = (np.arange(400) % 2).astype(float)
    noise = generator.standard_normal(400)
    pooled = np.stack([2 * labels - 1 + noise, noise], 1)
    head = fit_head(pooled, labels, "labels")
    assert abs(head.weights[1, 1]) > 0.5 * abs(head.weights[1, 0])
    assert abs(patterns(head)[1, 1]) < 0.15 < 0.5 < patterns(head)[1, 0]


@pytest.mark.parametrize("target", ["labels", "logits"])
def test_gauge_weights_and_bias_are_centred_over_classes(target):
    pooled, labels = pooled_data()
    outcome = labels if target == "labels" else pooled[:, :3] + 7.0
    head = fit_head(pooled, outcome, target)
    np.testing.assert_allclose(head.weights.sum(0), 0, atol=1e-8)
    np.testing.assert_allclose(head.bias.sum(), 0, atol=1e-8)


def test_gauge_one_vector_added_to_every_class_changes_nothing():
    pooled, _ = pooled_data()
    logits = pooled[:, :3] * [1.0, -2.0, 0.5]
    shared = (pooled @ np.arange(6.0) + 11)[:, None]
    head, shifted = fit_head(pooled, logits, "logits"), fit_head(pooled, logits + shared, "logits")
    for name in ("weights", "bias"):
        np.testing.assert_allclose(getattr(shifted, name), getattr(head, name), atol=1e-7)
    np.testing.assert_allclose(patterns(shifted), patterns(head), atol=1e-7)


def test_without_centring_outputs_stay_as_they_are():
    pooled, _ = pooled_data(images=60)
    logits = pooled[:, :2] + [3.0, 100.0]
    head = fit_head(pooled, logits, "logits", centre=False)
    np.testing.assert_allclose(head.logits(pooled), logits, atol=1e-3)


def test_centring_leaves_a_single_output_alone():
    values = np.array([[3.0], [4.0]])
    np.testing.assert_array_equal(centred_over_classes(values), values)
    np.testing.assert_array_equal(centred_over_classes(np.array([[3.0, 5.0]])), [[-1.0, 1.0]])


@pytest.mark.parametrize("constant", [0.0, 1.0, 1e-3, 1e6])
def test_constant_channels_get_no_weight(constant):
    """Also where single precision makes the constant flicker in its last digit."""
    pooled, labels = pooled_data()
    flicker = 1 + 1e-7 * np.random.default_rng(1).standard_normal(len(pooled))
    for column in (np.full(len(pooled), constant), constant * flicker):
        head = fit_head(np.column_stack([pooled, column]), labels, "labels")
        assert head.scale[-1] == 1.0
        np.testing.assert_allclose(head.weights[:, -1], 0, atol=1e-12)
        np.testing.assert_array_equal(patterns(head)[:, -1], 0)


def test_all_channels_constant():
    head = fit_head(np.ones((6, 3)), np.array([0.0, 1.0] * 3), "labels")
    np.testing.assert_array_equal(patterns(head), 0)
    np.testing.assert_allclose(head.weights, 0, atol=1e-12)


def test_channels_of_very_different_scales_all_count():
    pooled, labels = pooled_data()
    scaled = pooled * 10.0 ** np.array([-4, -3, -2, 0, 2, 4])
    plain, head = fit_head(pooled, labels, "labels"), fit_head(scaled, labels, "labels")
    np.testing.assert_allclose(head.weights, plain.weights, atol=1e-6)


@pytest.mark.parametrize("target", ["labels", "logits"])
def test_bootstrap_is_set_by_its_seed(target):
    pooled, labels = pooled_data()
    outcome = labels if target == "labels" else pooled[:, :3]
    one, again, other = (
        resampled_patterns(fit_head(pooled, outcome, target, bootstrap=4, seed=seed))
        for seed in (1, 1, 2)
    )
    assert one.shape == (4, 3, 6)
    np.testing.assert_array_equal(one, again)
    assert np.abs(one - other).max() > 1e-3
    assert np.abs(one[0] - one[1]).max() > 1e-3


def test_bootstrap_leaves_the_fit_itself_alone():
    pooled, labels = pooled_data()
    plain = fit_head(pooled, labels, "labels")
    with_refits = fit_head(pooled, labels, "labels", bootstrap=3)
    np.testing.assert_array_equal(plain.weights, with_refits.weights)
    np.testing.assert_array_equal(patterns(plain), patterns(with_refits))


def test_bootstrap_std_is_the_sampling_error():
    """Of cov(z, y) / sd(y) over N normal images it is √((1 − r²/2) / N), r the correlation."""
    generator = np.random.default_rng(0)
    pooled = generator.standard_normal((200, 2))
    logits = pooled[:, :1] + 0.5 * pooled[:, 1:]
    head = fit_head(pooled, logits, "logits", bootstrap=300)
    expected = np.sqrt((1 - patterns(head)[0] ** 2 / 2) / 200)
    np.testing.assert_allclose(resampled_patterns(head).std(0)[0], expected, rtol=0.3)


def test_groups_are_resampled_together():
    """A subject seen eight times is one subject: the standard deviation must not shrink by √8."""
    pooled, _ = pooled_data(images=30)
    logits = pooled[:, :1] + np.random.default_rng(5).standard_normal((30, 1)) * 4
    repeated, codes = np.repeat(pooled, 8, 0), np.repeat(np.arange(30), 8)
    outputs = np.repeat(logits, 8, 0)
    alone = resampled_patterns(fit_head(pooled, logits, "logits", bootstrap=200)).std(0)
    kept = fit_head(repeated, outputs, "logits", bootstrap=200, groups=codes)
    torn = fit_head(repeated, outputs, "logits", bootstrap=200)
    np.testing.assert_allclose(resampled_patterns(kept).std(0).mean(), alone.mean(), rtol=0.15)
    assert resampled_patterns(torn).std(0).mean() < 0.5 * alone.mean()


def test_every_class_is_in_every_resample():
    pooled, _ = pooled_data(images=20, classes=2)
    labels = np.array([1.0, 1.0] + [0.0] * 18)  # many draws miss both of the first two
    head = fit_head(pooled, labels, "labels", bootstrap=20)
    assert np.isfinite(resampled_patterns(head)).all()
    assert (np.abs(resampled_patterns(head)).max((1, 2)) > 0).all()
