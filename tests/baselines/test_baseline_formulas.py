"""Each method on activations and gradients that are written out."""

import math

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from hrcam.baselines import (
    CAM,
    EigenCAM,
    GradCAM,
    GradCAMPlusPlus,
    HiResCAM,
    LayerCAM,
    ScoreCAM,
    XGradCAM,
)
from hrcam.baselines.eigen import project_on_first


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def combine(first, second, image):
    return first * image[:, 0] + second * image[:, 1]


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        # Mean gradients: 0.1 and 0.2.
        (GradCAM, [[0.1, 0.4], [0.7, 0.6]]),
        # Positive gradients: 0.4, 0.2 on channel 1; 0.4, 0.8 on channel 2.
        (LayerCAM, [[0.4, 0.4], [0.6 + 1.6, 0.0]]),
        (HiResCAM, [[0.4, -0.4 + 0.4], [0.6 + 1.6, 0.0]]),
        # Σ(G·A)/ΣA: 0.6/10 and 2/4.
        (XGradCAM, [[0.06, 0.62], [1.18, 0.74]]),
    ],
)
def test_gradient_methods_by_hand(method, expected, known_gradients, image):
    found = method(known_gradients, levels=["0"]).explain(image, classes=0)
    assert_close(found, torch.tensor([expected]))


def test_grad_cam_plus_plus_by_hand(known_gradients, image):
    # α = G² / (2 G² + ΣA · G³), with ΣA = 10 and 4.
    first = 0.4 * 0.16 / (0.32 + 10 * 0.064) + 0.2 * 0.04 / (0.08 + 10 * 0.008)
    second = 0.4 * 0.16 / (0.32 + 4 * 0.064) + 0.8 * 0.64 / (1.28 + 4 * 0.512)
    found = GradCAMPlusPlus(known_gradients, levels=["0"]).explain(image, classes=0)
    assert_close(found, combine(first, second, image))


def test_grad_cam_plus_plus_where_the_denominator_is_zero():
    activations, gradients = torch.tensor([[[-4.0, 2.0]]]), torch.tensor([[[1.0, 0.5]]])
    # 2 G² + ΣA G³ = 0 at the first position, 0.5 - 2/8 = 0.25 at the second.
    found = GradCAMPlusPlus.weigh(activations, gradients)
    assert_close(found, torch.tensor([[0.0, 2 * 0.5 * 0.25 / 0.25]]))


def test_grad_cam_plus_plus_does_not_underflow():
    activations, gradients = torch.ones(1, 1, 4), torch.full((1, 1, 4), 1e-15)
    found = GradCAMPlusPlus.weigh(activations, gradients)
    assert_close(found / 1e-15, torch.full((1, 4), 2.0))


def test_xgrad_cam_leaves_out_channels_that_sum_to_zero():
    activations = torch.tensor([[[1.0, -1.0], [1.0, 3.0], [0.0, 0.0]]])
    gradients = torch.tensor([[[5.0, 1.0], [2.0, 1.0], [1.0, 1.0]]])
    assert_close(XGradCAM.weigh(activations, gradients), torch.tensor([[1.25, 3.75]]))


@pytest.mark.parametrize("method", [GradCAM, GradCAMPlusPlus, LayerCAM, XGradCAM])
def test_relu_at_the_end(method):
    generator = torch.Generator().manual_seed(0)
    activations = torch.randn(5, 4, 6, 6, generator=generator)
    gradients = torch.randn(5, 4, 6, 6, generator=generator)
    found = method.weigh(activations, gradients)
    assert found.min() == 0
    assert found.max() > 0


def test_the_other_class_has_the_opposite_gradient(known_gradients, image):
    assert not GradCAM(known_gradients, levels=["0"]).explain(image, classes=1).any()
    found = HiResCAM(known_gradients, levels=["0"]).explain(image, classes=1)
    assert_close(found, torch.tensor([[[-0.4, 0.0], [-2.2, 0.0]]]))


def test_layer_cam_of_positive_gradients_is_hirescam():
    activations, gradients = torch.rand(2, 3, 4, 5), torch.rand(2, 3, 4, 5)
    assert_close(LayerCAM.weigh(activations, gradients), HiResCAM.weigh(activations, gradients))


def test_cam_by_hand(known_head, image):
    cam = CAM(known_head, levels=["0"])
    assert_close(cam.explain(image, classes=0), torch.tensor([[[1.0, 1.0], [1.0, 3.0]]]))
    assert_close(cam.explain(image, classes=1), torch.tensor([[[0.5, 3.0], [5.5, 4.0]]]))


def test_score_cam_by_hand(known_head, image):
    # Masks (A1 - 1)/3 and A2/2; behind them the channels' means are (5/3, 2/3) and (3/2, 3/4),
    # so that logit 1 exceeds logit 0 by 7/6 and 3/2; behind black by 0.
    first, second = sigmoid(7 / 6) - 0.5, sigmoid(1.5) - 0.5
    method = ScoreCAM(known_head, levels=["0"])
    assert_close(method.explain(image, classes=1), combine(first, second, image))
    assert not method.explain(image, classes=0).any()


def test_score_cam_of_a_single_logit_takes_its_sigmoid(known_head, image):
    known_head[3].weight.data = known_head[3].weight.data[1:]
    known_head[3].bias.data = torch.tensor([0.5])
    # Logits: 0.5·5/3 + 2·2/3 + 0.5 and 0.5·3/2 + 2·3/4 + 0.5; black: 0.5.
    first = sigmoid(13 / 6 + 0.5) - sigmoid(0.5)
    second = sigmoid(2.75) - sigmoid(0.5)
    found = ScoreCAM(known_head, levels=["0"]).explain(image)
    assert_close(found, combine(first, second, image))


def test_score_cam_does_not_depend_on_the_batch_size(small_net, small_images):
    model, images = small_net(), small_images()
    one = ScoreCAM(model, batch_size=1).by_level(images)
    for size in (5, 1000):
        many = ScoreCAM(model, batch_size=size).by_level(images)
        for name in one:
            assert_close(many[name], one[name], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("sign", [1, -1])
def test_eigen_cam_by_hand(sign, known_head):
    # Both channels are multiples of one map m, (1, 2) m: the projection is √5 m.
    m = sign * torch.tensor([[1.0, 2.0], [3.0, 5.0]])
    found = EigenCAM(known_head, levels=["0"]).explain(torch.stack([m, 2 * m])[None])
    assert_close(found[0], math.sqrt(5) * m)


@pytest.mark.parametrize("shape", [(2, 3, 8, 9), (2, 40, 4, 5), (2, 6, 3, 4, 5), (2, 4, 7)])
def test_eigen_cam_equals_the_svd(shape):
    feature_map = torch.randn(shape, generator=torch.Generator().manual_seed(3)).relu()
    for one, found in zip(feature_map, project_on_first(feature_map), strict=True):
        positions = one.flatten(1).T.double()
        _, _, vh = torch.linalg.svd(positions, full_matrices=False)
        expected = (positions @ vh[0]).reshape(shape[2:])
        expected = expected * expected.sum().sign()
        assert_close(found.double(), expected, atol=1e-4, rtol=1e-4)
        assert found.min() > -1e-4


def test_eigen_cam_of_nothing_is_zero():
    assert not project_on_first(torch.zeros(2, 3, 4, 4)).any()
    assert not project_on_first(torch.zeros(2, 30, 4, 4)).any()


def test_eigen_cam_is_the_same_for_every_class(small_net, small_images):
    model, images = small_net(), small_images()
    one, two = (EigenCAM(model).explain(images, classes=c, fuse="mean") for c in (0, 2))
    assert torch.equal(one, two)


@pytest.mark.parametrize("spatial", [1, 2, 3])
def test_identities_at_the_last_level_of_a_pooled_linear_net(spatial, small_net, small_images):
    model, images = small_net(spatial), small_images(spatial)
    cam, grad_cam, hires, xgrad = (
        method(model, levels=["last"]) for method in (CAM, GradCAM, HiResCAM, XGradCAM)
    )
    positions = 4**spatial
    for index in range(3):
        expected = cam.explain(images, classes=index) / positions
        assert expected.any()
        assert_close(hires.explain(images, classes=index), expected)
        # ReLU and interpolation do not commute: compare on the level's own grid.
        one = cam_on_level(model, images, index) / positions
        for method in (grad_cam, xgrad):
            assert_close(on_level(method, images, index), one.relu())


def on_level(method, images, index):
    method._find(images)
    return method._level_maps(images, index)[0]


def cam_on_level(model, images, index):
    method = CAM(model, levels=["last"])
    found = on_level(method, images, index)
    logits = model.eval()(images)[:, index]
    assert_close(found.flatten(1).mean(1) + model.head.bias[index], logits)
    return found


def test_hirescam_sums_to_the_logit_less_the_bias(known_gradients, image):
    known_gradients[2] = nn.Linear(8, 2)
    found = HiResCAM(known_gradients, levels=["0"]).explain(image, classes=1)
    logit = known_gradients(image)[0, 1] - known_gradients[2].bias[1]
    assert_close(found.sum(), logit)
