"""The two linear models against scikit-learn, known maps and hand-made choices."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression, Ridge

from hrcam.head import linear_models
from hrcam.head.linear_models import (
    INVERSE_PENALTIES,
    RIDGE_PENALTIES,
    fit_least_squares,
    fit_softmax,
    least_squares_solutions,
    softmax_solution,
)


def data(images: int, features: int, classes: int, seed: int = 0):
    generator = np.random.default_rng(seed)
    labels = np.arange(images) % classes
    z = generator.standard_normal((images, features))
    z[:, :classes] += 1.5 * np.eye(classes)[labels]
    return (z - z.mean(0)) / z.std(0), labels.astype(np.int64)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize(("images", "features"), [(60, 8), (24, 90)])
def test_softmax_equals_plain_scikit_learn(images, features, classes):
    # With fewer images than features the fit is made in the rows' span: the same solution.
    z, labels = data(images, features, classes)
    model = fit_softmax(z, labels, None, seed=0)
    plain = LogisticRegression(C=model.penalty, max_iter=10000, tol=1e-9).fit(z, labels)
    ours = softmax(z @ model.weights.T + model.bias, axis=1)
    np.testing.assert_allclose(ours, plain.predict_proba(z), atol=2e-4)
    assert model.weights.shape == (classes, features)
    weights = plain.coef_
    if classes == 2:
        weights = np.vstack([-weights, weights]) / 2
    scale = np.abs(weights).max()
    np.testing.assert_allclose(model.weights / scale, weights / scale, atol=2e-3)


@pytest.mark.parametrize(("images", "features"), [(40, 6), (12, 70)])
def test_least_squares_equals_plain_scikit_learn(images, features):
    z, _ = data(images, features, 3)
    logits = z @ np.random.default_rng(1).standard_normal((features, 3))
    model = fit_least_squares(z, logits, None, seed=0)
    plain = Ridge(alpha=model.penalty).fit(z, logits)
    np.testing.assert_allclose(model.weights, plain.coef_, atol=1e-6)
    np.testing.assert_allclose(model.bias, plain.intercept_, atol=1e-8)


def test_least_squares_recovers_a_known_linear_map():
    z, _ = data(80, 10, 2)
    weights = np.random.default_rng(2).standard_normal((4, 10))
    model = fit_least_squares(z, z @ weights.T + [1.0, 2.0, 3.0, 4.0], None, seed=0)
    np.testing.assert_allclose(model.weights, weights, atol=1e-5)
    np.testing.assert_allclose(model.bias, [1.0, 2.0, 3.0, 4.0], atol=1e-6)
    assert model.fidelity > 1 - 1e-9


def test_least_squares_reports_held_out_not_training_r2():
    generator = np.random.default_rng(3)
    z, noise = generator.standard_normal((30, 60)), generator.standard_normal((30, 1))
    # Noise can be fitted exactly with 60 features, and not predicted at all.
    assert fit_least_squares(z, noise, None, seed=0).fidelity < 0.1


def test_a_single_output_keeps_its_axis():
    z, _ = data(20, 4, 2)
    ((weights, bias),) = least_squares_solutions(z, z[:, :1] * 2, [1e-6])
    assert weights.shape == (1, 4)
    assert bias.shape == (1,)


@pytest.mark.parametrize(("images", "features"), [(60, 8), (24, 90)])
def test_every_penalty_equals_plain_scikit_learn(images, features):
    z, _ = data(images, features, 3)
    z = z + 0.3
    logits = z[:, :2] @ np.array([[1.0, -2.0], [0.5, 1.0]]) + [3.0, -1.0]
    solutions = least_squares_solutions(z, logits, RIDGE_PENALTIES)
    for penalty, (weights, bias) in zip(RIDGE_PENALTIES, solutions, strict=True):
        plain = Ridge(alpha=penalty, solver="svd").fit(z, logits)
        np.testing.assert_allclose(weights, plain.coef_, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(bias, plain.intercept_, rtol=1e-6, atol=1e-9)


def test_constant_outputs_have_no_fidelity():
    z, _ = data(20, 4, 2)
    assert np.isnan(fit_least_squares(z, np.ones((20, 2)), None, seed=0).fidelity)


def test_one_standard_error_rule(monkeypatch):
    """The strongest penalty within one standard error of the best is taken, not the best."""
    z, labels = data(60, 5, 2)
    losses = iter(
        # Five folds, seven penalties from the strongest on; the best, the fifth, has a mean of
        # 0.40 and a standard error of 0.035: the third, 0.42, is within it, the second is not.
        [0.9, 0.5, 0.42, 0.41, 0.40 + shift, 0.41, 0.8]
        for shift in (-0.1, -0.05, 0.0, 0.05, 0.1)
    )
    flat = [loss for fold in losses for loss in fold]
    monkeypatch.setattr(linear_models, "log_loss", lambda *_, **__: flat.pop(0))
    assert fit_softmax(z, labels, None, seed=0).penalty == INVERSE_PENALTIES[2]


def test_softmax_accuracy_is_that_of_held_out_folds():
    generator = np.random.default_rng(4)
    z, labels = generator.standard_normal((40, 200)), np.arange(40) % 2
    assert fit_softmax(z, labels, None, seed=0).fidelity < 0.8  # the training accuracy is 1
    z, labels = data(100, 4, 2)
    z[:, 0] = 3 * (2 * labels - 1)
    assert fit_softmax(z, labels, None, seed=0).fidelity == 1.0


def test_warm_start_changes_nothing_but_time():
    for classes in (2, 3):
        z, labels = data(60, 6, classes)
        cold = softmax_solution(z, labels, 0.1, None)
        start = softmax_solution(z, labels, 1.0, None)
        before = [array.copy() for array in start]
        warm = softmax_solution(z, labels, 0.1, start)
        np.testing.assert_allclose(warm[0], cold[0], atol=1e-3)
        for array, copy in zip(start, before, strict=True):
            np.testing.assert_array_equal(array, copy)


def test_groups_are_never_split_between_folds():
    """With one feature per subject that gives its label away, only a split group scores."""
    subjects = np.repeat(np.arange(12), 4)
    labels = np.random.default_rng(0).permutation(12)[subjects] % 2
    z = np.eye(12)[subjects]
    z = (z - z.mean(0)) / z.std(0)
    together = fit_softmax(z, labels, subjects, seed=0).fidelity
    split = fit_softmax(z, labels, None, seed=0).fidelity
    assert split == 1.0
    assert together < 0.75
