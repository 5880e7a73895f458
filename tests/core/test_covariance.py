"""The pattern of a class against another, from the covariances of features and logits."""

import numpy as np
import pytest

from hrcam.head.covariance import ALL_OTHERS, covariance_of


@pytest.fixture
def data():
    generator = np.random.default_rng(0)
    z = generator.standard_normal((30, 4))
    return z, generator.standard_normal((30, 3)) + z[:, :3]


def correlation(z, values):
    return [np.corrcoef(z[:, k], values)[0, 1] for k in range(z.shape[1])]


def test_against_all_others_it_is_the_correlation_with_the_logit(data):
    z, logits = data
    z = (z - z.mean(0)) / z.std(0)
    pattern = covariance_of(z, logits).pattern(np.full(3, ALL_OTHERS))
    np.testing.assert_allclose(pattern, [correlation(z, one) for one in logits.T], atol=1e-12)


@pytest.mark.parametrize("references", [[1, 2, 0], [2, 0, 1], [2, 2, ALL_OTHERS]])
def test_against_another_class_it_is_the_correlation_with_the_difference(data, references):
    z, logits = data
    z = (z - z.mean(0)) / z.std(0)
    pattern = covariance_of(z, logits).pattern(np.array(references))
    for name, reference in enumerate(references):
        other = 0 if reference == ALL_OTHERS else logits[:, reference]
        expected = correlation(z, logits[:, name] - other)
        np.testing.assert_allclose(pattern[name], expected, atol=1e-12)


def test_what_is_added_to_every_logit_does_not_count_against_a_class(data):
    z, logits = data
    references, shared = np.array([1, 2, 0]), (5 * z[:, 0] + 7)[:, None]
    np.testing.assert_allclose(
        covariance_of(z, logits + shared).pattern(references),
        covariance_of(z, logits).pattern(references),
        atol=1e-10,
    )


@pytest.mark.parametrize("references", [[ALL_OTHERS, ALL_OTHERS], [1, 0]])
def test_of_logits_that_do_not_vary_it_is_zero(data, references):
    pattern = covariance_of(data[0], np.ones((30, 2))).pattern(np.array(references))
    np.testing.assert_array_equal(pattern, 0)
