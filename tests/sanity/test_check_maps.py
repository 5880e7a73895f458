"""The checks of maps, on networks of which it is known what they have to find."""

import logging
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from small_runs import Brightness
from torch.nn import functional as F

from hrcam.evaluation.model_free_maps import centre_blob, edges
from hrcam.evaluation.similarity import spearman, top_overlap
from hrcam.explainer import HRCAM
from hrcam.model.hooks import evaluation_mode
from hrcam.networks import SmallCNN
from hrcam.sanity.run_checks import PATTERN, UNTRAINED, CheckInputs, check_maps
from hrcam.sanity.untrained_networks import untrained_explainers


def blobs(dimensions=2, number=48, size=24):
    """Noise; images of class 1 have a textured blob, no brighter than the rest on average."""
    generator = torch.Generator().manual_seed(0)
    images = 0.4 * torch.randn(number, 1, *(size,) * dimensions, generator=generator)
    labels = torch.arange(number) % 2
    corners = torch.randint(2, size - 9, (number, dimensions), generator=generator)
    for image, label, corner in zip(images, labels, corners.tolist(), strict=True):
        image[(0, *(slice(c, c + 7) for c in corner))] += 1.6 * label
    return images, labels


@pytest.fixture(scope="module", params=[2, 3], ids=["2D", "3D"])
def learnt(request):
    """Two networks that have learnt to tell the blobs, their explainers, and inputs."""
    dimensions = request.param
    number, size = {2: (48, 24), 3: (24, 16)}[dimensions]
    images, labels = blobs(dimensions, number, size)
    explainers = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        model = SmallCNN(dimensions, 1, 2, widths=(8, 8))
        optimiser = torch.optim.Adam(model.parameters(), 0.02)
        for _ in range(30):
            optimiser.zero_grad()
            F.cross_entropy(model(images), labels).backward()
            optimiser.step()
        model.eval()
        assert (model(images).argmax(1) == labels).float().mean() > 0.95
        explainers.append(HRCAM(model).fit(images.split(24), "logits"))
    shown = images[labels == 1][:6]
    region = torch.ones(6, *shown.shape[2:], dtype=torch.bool)
    return explainers, CheckInputs(shown, torch.ones(6, dtype=torch.long), region, images[:24])


@pytest.fixture(scope="module")
def found(learnt):
    (explainer, other), inputs = learnt
    return check_maps(explainer, inputs, [("fold 2", other)])


def named(checked, name):
    return next(check for check in checked.checks.checks if check.name == name)


def test_a_network_that_has_learnt_passes(found):
    for name in ("randomisation", "repeatability", "noise"):
        assert named(found, name).passed, (name, named(found, name))
        assert len(named(found, name).values) == 6
    shares = [share for share, _ in found.checks.cascade]
    assert shares[0] == 0
    assert shares[-1] == 1
    assert shares == sorted(shares)
    # Fitting again alone leaves the map; what is lost then is lost with the weights.
    assert found.checks.cascade[0][1] > 0.6 > 0.3 > named(found, "randomisation").value


def test_numbers_are_those_of_the_maps(learnt, found):
    (explainer, other), inputs = learnt
    images, classes, region = inputs.images, inputs.classes, inputs.region
    pattern = explainer.explain(images, classes).pattern
    torch.testing.assert_close(found.maps[PATTERN], pattern)
    theirs = other.explain(images, classes).pattern
    torch.testing.assert_close(found.maps["Network of fold 2"], theirs)
    check = named(found, "repeatability")
    np.testing.assert_allclose(check.values, spearman(pattern, theirs), rtol=1e-6)
    overlap = check.details["overlap of the highest 5 %"]
    assert overlap == pytest.approx(top_overlap(pattern, theirs, 0.05).mean())
    likeness = named(found, "likeness")
    for name, bound in (("the edges of the image", edges), ("nearness to the centre", centre_blob)):
        expected = np.abs(spearman(pattern, bound(images))).mean()
        assert likeness.details[name] == pytest.approx(expected)
    sizes = pattern.abs()
    others = torch.stack([sizes[[j for j in range(6) if j != i]].mean(0) for i in range(6)])
    expected = np.abs(spearman(sizes, others)).mean()
    assert likeness.details["the mean map of other scans"] == pytest.approx(expected)
    assert likeness.value == pytest.approx(max(likeness.details.values()))
    coarse = found.checks.coarse
    assert (coarse.method, coarse.cells) == ("CAM", explainer.levels[0].size)
    cam = found.maps[f"CAM, {' × '.join(map(str, coarse.cells))} cells"]
    assert coarse.spearman == pytest.approx(spearman(pattern, cam, region).mean())
    assert list(found.maps)[-1] == UNTRAINED


def test_the_same_seed_gives_the_same_numbers_and_nothing_is_changed(learnt, found, caplog):
    (explainer, other), inputs = learnt
    before = {name: value.clone() for name, value in explainer.model.state_dict().items()}
    state = torch.random.get_rng_state()
    with caplog.at_level(logging.INFO, "hrcam"):
        again = check_maps(explainer, inputs, [("fold 2", other)])
    assert again.checks == found.checks
    assert check_maps(explainer, inputs, seed=1).checks.cascade[1:] != found.checks.cascade[1:]
    assert torch.equal(state, torch.random.get_rng_state())
    after = explainer.model.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert not any(module._forward_hooks for module in explainer.model.modules())
    assert caplog.text == ""  # of the fits to random networks


def brightness_explainer(sign=1):
    images, _ = blobs()
    model = Brightness(2).eval()
    model.feature.weight.data *= sign
    return HRCAM(model).fit(images.split(24), "logits"), images


def test_a_network_whose_map_does_not_depend_on_its_weights_fails():
    """Its only feature is the image times a weight: any weight gives the same map."""
    explainer, images = brightness_explainer()
    inputs = CheckInputs(
        images[:6], torch.ones(6, dtype=torch.long), images[:6, 0].abs() >= 0, images[:24]
    )
    checks = check_maps(explainer, inputs)
    randomisation, likeness = named(checks, "randomisation"), named(checks, "likeness")
    assert randomisation.passed is False
    # Also where it is upside down; then the images that it is compared with are others.
    assert randomisation.value > 0.9
    assert likeness.passed is False
    # The map is the image, spread along itself.
    assert likeness.value == likeness.details["the brightness or darkness of the image"] > 0.7
    assert min(y for _, y in checks.checks.cascade) > 0.9


def test_a_network_that_says_the_opposite_does_not_repeat():
    explainer, images = brightness_explainer()
    other, _ = brightness_explainer(-1)
    few = CheckInputs(
        images[:3], torch.ones(3, dtype=torch.long), images[:3, 0].abs() >= 0, images[:3]
    )
    checks = check_maps(explainer, few, [("fold 2", other), ("fold 3", explainer)])
    check = named(checks, "repeatability")
    turned = explainer.explain(images[:3], 1).pattern, other.explain(images[:3], 1).pattern
    assert check.details["with fold 2"] == pytest.approx(spearman(*turned).mean())
    assert check.details["with fold 2"] < -0.75
    assert check.details["with fold 3"] == pytest.approx(1)
    assert check.value == pytest.approx((1 + check.details["with fold 2"]) / 2)
    assert check.passed is False


def test_what_cannot_be_measured_is_left_open_with_the_reason():
    explainer, images = brightness_explainer()
    tiny = images[:3, :, :4, :4]
    inputs = CheckInputs(tiny, torch.ones(3, dtype=torch.long), tiny[:, 0].abs() >= 0, tiny)
    checks = check_maps(explainer, inputs)
    for name, reason in (
        ("randomisation", "needs 8 scans mapped by one network.* there are 3"),
        ("repeatability", "one network only"),
        ("shift", "nothing left to compare after a shift of 2"),
    ):
        check = named(checks, name)
        assert check.passed is None
        assert re.search(reason, check.reason), check.reason
    assert checks.checks.cascade == ()
    assert UNTRAINED not in checks.maps


def test_a_head_that_does_not_come_out_again_proves_nothing(learnt):
    """The explainer is of one network, its maps of another: fitting again changes them."""
    (explainer, _), inputs = learnt
    noise = torch.randn(inputs.references.shape, generator=torch.Generator().manual_seed(3))
    other = HRCAM(explainer.model).fit([noise], "logits")
    generator = np.random.default_rng(3)
    known = other._known
    weights = generator.standard_normal(known.sensitivity.weights.shape)
    sensitivity = replace(known.sensitivity, weights=weights)
    other._adopt(replace(known, sensitivity=sensitivity), other._state.settings)
    checks = check_maps(other, inputs)
    check = named(checks, "randomisation")
    assert check.passed is None
    assert "fitted again to the very same network" in check.reason


def test_untrained_networks_name_every_class(learnt):
    """Their outputs are standardised while HR-CAM is fitted, and as they were afterwards."""
    (explainer, _), inputs = learnt
    shares = []
    for share, untrained in untrained_explainers(
        explainer, inputs.references.split(12), stages=2, seed=0
    ):
        with evaluation_mode(untrained.model), torch.no_grad():
            logits = untrained.model(inputs.references)
        torch.testing.assert_close(logits.mean(0), torch.zeros(2), atol=1e-4, rtol=0)
        torch.testing.assert_close(logits.std(0), torch.ones(2), atol=1e-4, rtol=0)
        last = untrained.model
        shares.append(share)
    assert shares == [0, pytest.approx(5 / 9), 1]
    assert not last._forward_hooks
