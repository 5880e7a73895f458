"""Variants as in pytorch-grad-cam, Finer-CAM and RefineCAM: by hand, and as that library gives.

The values of pytorch-grad-cam were computed with its version 1.5.7 on the same network and image.
It scales every map to [0, 1].
"""

import math

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from hrcam.baselines import (
    ALL_LEVELS,
    CentredEigenCAM,
    EigenCAM,
    FinerCAM,
    GradCAM,
    GradCAMPlusPlus,
    GradCAMPlusPlusWithEpsilon,
    HiResCAM,
    RefineCAM,
    ScoreCAM,
    SoftmaxScoreCAM,
    gradient_maps,
    normalise,
)
from hrcam.errors import InputError
from hrcam.levels import find_levels


@pytest.fixture
def five_classes(known_gradients):
    """Logits 2.6, -2.6, 0.7, 3.4 and 0.76 for the image."""
    w = known_gradients[2].weight.data[0]
    known_gradients[2] = nn.Linear(8, 5, bias=False)
    rows = [w, -w, 0.5 * w.flip(0), w.roll(3), 0.2 * w.roll(5)]
    known_gradients[2].weight.data = torch.stack(rows)
    return known_gradients


@pytest.mark.parametrize(
    ("method", "scale", "expected"),
    [
        (GradCAMPlusPlusWithEpsilon, 1e-3, [[0.0, 0.5], [1.0, 0.66996527]]),
        (SoftmaxScoreCAM, 1.0, [[0.0, 0.5], [1.0, 0.82446360]]),
        (CentredEigenCAM, 1.0, [[0.0, 0.0], [0.66666667, 1.0]]),
    ],
)
def test_as_pytorch_grad_cam(method, scale, expected, known_gradients, image):
    known_gradients[2].weight.data *= scale
    found = method(known_gradients, levels=["0"]).explain(image, classes=0)
    assert_close(normalise(found), torch.tensor([expected]), atol=1e-5, rtol=0)


def test_finer_cam_as_pytorch_grad_cam(five_classes, image):
    found = FinerCAM(five_classes, levels=["0"]).explain(image, classes=3)
    expected = torch.tensor([[[0.06359921, 0.03179958], [0.0, 1.0]]])
    assert_close(normalise(found), expected, atol=1e-5, rtol=0)


def test_epsilon_in_grad_cam_plus_plus_by_hand(known_gradients, image):
    known_gradients[2].weight.data *= 1e-3

    def weight(gradients, total):
        return sum(g * g**2 / (2 * g**2 + total * g**3 + 1e-6) for g in gradients)

    first, second = weight([4e-4, 2e-4], 10), weight([4e-4, 8e-4], 4)
    found = GradCAMPlusPlusWithEpsilon(known_gradients, levels=["0"]).explain(image, classes=0)
    assert_close(found, first * image[:, 0] + second * image[:, 1])


def test_epsilon_does_not_count_beside_large_gradients():
    generator = torch.Generator().manual_seed(0)
    activations = torch.rand(3, 4, 5, 6, generator=generator)
    gradients = 100 * torch.randn(3, 4, 5, 6, generator=generator)
    found = GradCAMPlusPlusWithEpsilon.weigh(activations, gradients)
    assert_close(found, GradCAMPlusPlus.weigh(activations, gradients))


def test_softmax_in_score_cam_by_hand(known_head, image):
    # Behind the masks of ``test_score_cam_by_hand`` logit 1 is 0.5·5/3 + 2·2/3 and 0.5·3/2 + 2·3/4.
    logits = [13 / 6, 9 / 4]
    first = 1 / (1 + math.exp(logits[1] - logits[0]))
    method = SoftmaxScoreCAM(known_head, levels=["0"])
    found = method.explain(image, classes=1)
    assert_close(found, first * image[:, 0] + (1 - first) * image[:, 1])


def test_softmax_makes_many_channels_nearly_equal(small_net, small_images):
    model, images = small_net(), small_images()
    softmax = SoftmaxScoreCAM(model, levels=["act"])
    softmax.explain(images, 0)
    activations = torch.rand(3, 500, 8, 8)
    chosen = torch.zeros(3, dtype=torch.long)
    with torch.no_grad():
        alpha = softmax._channel_weights(images, chosen, softmax.levels[0], activations)
    assert_close(alpha.sum(1), torch.ones(3))
    signed = ScoreCAM(model, levels=["act"])
    signed.explain(images, 0)
    with torch.no_grad():
        paper = signed._channel_weights(images, chosen, signed.levels[0], activations)
    assert (alpha > 0).all()
    assert not (paper > 0).all()


def test_centred_eigen_cam_by_hand(known_head):
    # Both channels are multiples of one map: its deviations from the mean, 2.75, are projected.
    m = torch.tensor([[1.0, 2.0], [3.0, 5.0]])
    found = CentredEigenCAM(known_head, levels=["0"]).explain(torch.stack([m, 2 * m])[None])
    assert_close(found[0], math.sqrt(5) * torch.tensor([[0.0, 0.0], [0.25, 2.25]]))


def test_centring_removes_a_constant(known_head, image):
    method = CentredEigenCAM(known_head, levels=["0"])
    assert_close(method.explain(image + 7), method.explain(image), atol=1e-4, rtol=1e-4)
    plain = EigenCAM(known_head, levels=["0"])
    assert (plain.explain(image + 7) - plain.explain(image)).abs().max() > 1


def test_the_score_of_finer_cam_by_hand():
    logits = torch.tensor([[2.0, -1.0, 1.0, 5.0, 2.5]])
    # The three nearest to 2 are 2.5, 1 and then, at a distance of 3, the first: -1.
    total = math.exp(2.5) + math.exp(1) + math.exp(-1)
    expected = 2 - (2.5 * math.exp(2.5) + math.exp(1) - math.exp(-1)) / total
    assert_close(FinerCAM.score(logits, torch.tensor([0])), torch.tensor([expected]))


def test_the_score_of_finer_cam_never_compares_a_class_with_itself():
    equal = torch.ones(1, 4)
    assert_close(FinerCAM.score(equal, torch.tensor([3])), torch.zeros(1))


def test_finer_cam_of_few_classes():
    logits, classes = torch.tensor([[2.0, -1.0], [0.5, 3.0]]), torch.tensor([0, 0])
    assert_close(FinerCAM.score(logits, classes), torch.tensor([3.0, -2.5]))
    assert_close(FinerCAM.score(logits[:, :1], classes), torch.tensor([2.0, 0.5]))


def test_finer_cam_of_two_classes_is_grad_cam_of_their_difference(known_gradients, image):
    # The second logit is the negative of the first.
    finer = FinerCAM(known_gradients, levels=["0"]).explain(image, classes=0)
    assert_close(finer, 2 * GradCAM(known_gradients, levels=["0"]).explain(image, classes=0))


def test_methods_of_one_score_share_a_pass(small_net, small_images):
    model, images = small_net(), small_images()
    levels = find_levels(model, images)
    runs = []
    handle = model.register_forward_hook(lambda *_: runs.append(1))
    found = gradient_maps([GradCAM, FinerCAM, HiResCAM], model, images, levels, 1)
    handle.remove()
    assert list(found) == ["Grad-CAM", "Finer-CAM", "HiResCAM"]
    assert len(runs) == 2
    for level, maps in FinerCAM(model).by_level(images, 1).items():
        assert_close(found["Finer-CAM"][level], maps)
        assert not torch.equal(found["Grad-CAM"][level], maps)


def test_refine_cam_is_the_product_of_normalised_maps(small_net, small_images):
    model, images = small_net(), small_images()
    # Both levels have the resolution of the image.
    single = [
        GradCAMPlusPlusWithEpsilon(model, [name]).explain(images, 1) for name in ("norm", "act")
    ]
    expected = normalise(normalise(single[0]) * normalise(single[1]))
    method = RefineCAM(model, levels=["norm", "act"])
    assert expected.any()
    assert_close(method.explain(images, 1), expected)
    assert list(method.by_level(images, 1)) == [ALL_LEVELS]
    assert_close(method.by_level(images, 1)[ALL_LEVELS], expected)


def test_refine_cam_needs_no_fusion_and_of_one_level_is_its_map(small_net, small_images):
    model, images = small_net(), small_images()
    method = RefineCAM(model)
    both = method.explain(images, 2)
    assert len(method.levels) == 2
    assert_close(method.explain(images, 2, fuse="max"), both)
    with pytest.raises(InputError, match="must be 'mean', 'max' or 'product'"):
        method.explain(images, 2, fuse="sum")
    one = RefineCAM(model, levels=["act"]).explain(images, 2)
    plain = GradCAMPlusPlusWithEpsilon(model, levels=["act"]).explain(images, 2)
    assert_close(one, normalise(plain))
