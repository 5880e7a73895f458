"""What several networks say together."""

import numpy as np
import pytest
import torch
from small_runs import SmallRun, preparation

from hrcam.mapping.ensemble import explain_batch


@pytest.fixture(scope="module")
def explainers():
    run = SmallRun(preparation((12, 12, 8)), classes=("a", "b", "c"), folds=3, bootstrap=3)
    return [run.explainer(fold) for fold in (1, 2, 3)]


@pytest.fixture
def voxels():
    return np.random.default_rng(0).normal(size=(1, 12, 12, 8)).astype(np.float32)


def test_one_network_speaks_for_itself(explainers, voxels):
    found = explain_batch(explainers[:1], voxels[None], None)[0]
    expected = explainers[0].explain(torch.from_numpy(voxels)[None])
    assert found.predicted == found.explained == int(expected.classes[0])
    np.testing.assert_allclose(found.outputs, expected.model_logits[0].softmax(0), rtol=1e-5)
    for name in ("evidence", "pattern", "std"):
        np.testing.assert_array_equal(found.maps[name], getattr(expected, name)[0])


@pytest.mark.parametrize("wanted", [None, 0, 1, 2])
def test_means_of_three_networks_still_add_up(explainers, voxels, wanted):
    found = explain_batch(explainers, voxels[None], wanted)[0]
    images = torch.from_numpy(voxels)[None]
    each = [explainer.explain(images, found.explained) for explainer in explainers]
    probabilities = torch.stack([one.model_logits[0].softmax(0) for one in each]).mean(0)
    np.testing.assert_allclose(found.outputs, probabilities, rtol=1e-5)
    assert found.predicted == int(probabilities.argmax())
    assert found.explained == (found.predicted if wanted is None else wanted)
    for name in ("evidence", "pattern"):
        mean = torch.stack([getattr(one, name)[0] for one in each]).mean(0)
        np.testing.assert_allclose(found.maps[name], mean, atol=1e-5)
    rms = torch.stack([one.std[0] ** 2 for one in each]).mean(0).sqrt()
    np.testing.assert_allclose(found.maps["std"], rms, atol=1e-5)
    assert found.maps["evidence"].mean() + found.bias == pytest.approx(found.logit, abs=1e-4)
    levels = sum(found.level_contributions.values())
    assert levels + found.bias == pytest.approx(found.logit, abs=1e-4)
    assert found.logit == pytest.approx(
        np.mean([float(one.logits[0, found.explained]) for one in each]), abs=1e-5
    )


def test_the_class_is_that_of_the_mean_probability_not_of_a_vote(explainers, voxels):
    """Two networks lean to one class a little, one to another class by far."""
    pulls = ([0.1, 0.0, -9.0], [0.1, 0.0, -9.0], [-9.0, 5.0, -9.0])
    for explainer, pull in zip(explainers, pulls, strict=True):
        explainer.model.classifier.bias.data = torch.tensor(pull) * 2
        explainer.model.classifier.weight.data *= 0
    found = explain_batch(explainers, voxels[None], None)[0]
    assert found.predicted == 1
    expected = torch.stack(
        [e.explain(torch.from_numpy(voxels)[None], 1).evidence[0] for e in explainers]
    )
    np.testing.assert_allclose(found.maps["evidence"], expected.mean(0), atol=1e-5)
