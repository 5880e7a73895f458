import numpy as np
import pytest

from hrcam.simulate.acquisition import acquire, normalise


def test_noise_is_rician() -> None:
    signal = np.zeros((200, 200))
    signal[:, 100:] = 2.0
    brain = signal > 0
    image = acquire(np.random.default_rng(0), signal, brain, bias=0.0, noise=0.05, spacing=50.0)
    sigma = 0.05 * 2.0
    assert image[brain].std() == pytest.approx(sigma, rel=0.02)
    assert image[brain].mean() == pytest.approx(2.0 + sigma**2 / 4, rel=1e-3)
    # Air has the mean of a Rayleigh distribution.
    assert image[~brain].mean() == pytest.approx(sigma * np.sqrt(np.pi / 2), rel=0.02)


def test_the_bias_field_is_multiplicative_and_has_the_size_asked_for() -> None:
    rng = np.random.default_rng(0)
    signal = np.ones((32, 32))
    brain = np.ones((32, 32), dtype=bool)
    logs = [
        np.log(acquire(rng, signal, brain, bias=0.1, noise=0.0, spacing=10.0)) for _ in range(200)
    ]
    assert np.std(logs) == pytest.approx(0.1, rel=0.1)
    assert np.abs(np.diff(logs[0], axis=0)).max() < 0.05


def test_normalised_images_have_a_mean_of_one_half_over_the_brain() -> None:
    image = np.random.default_rng(0).uniform(1, 300, (3, 20, 20))
    brain = np.zeros(image.shape, dtype=bool)
    brain[:, 5:15, 5:15] = True
    out = normalise(image, brain)
    assert out.dtype == np.float32
    assert out[brain].mean() == pytest.approx(0.5, abs=1e-2)
    assert out.min() >= 0
    assert out.max() <= 1
