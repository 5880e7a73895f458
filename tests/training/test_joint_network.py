import pytest
import torch
from torch.nn import functional

from hrcam import HRCAM, find_levels
from hrcam.networks import SmallCNN
from hrcam.training.joint import JointNetwork


@pytest.fixture(params=[2, 3])
def joint(request):
    torch.manual_seed(0)
    cnn = SmallCNN(request.param, 1, 3, (4, 6, 8))
    images = torch.randn(40, 1, *(16,) * request.param)
    network = JointNetwork(cnn, find_levels(cnn, images[:2]), 3)
    with torch.no_grad():
        network.level_scores.copy_(torch.tensor([0.3, -1.0, 2.0]))
    for batch in images.split(10):  # running statistics of the norms
        network(batch)
    return network.eval(), images


def test_logits_are_the_weighted_sum_of_the_levels(joint):
    network, images = joint
    shares = functional.softmax(torch.tensor([0.3, -1.0, 2.0]), 0)
    maps = {}
    handles = [
        block.register_forward_hook(lambda _m, _a, out, i=i: maps.__setitem__(i, out))
        for i, block in enumerate(network.network.blocks)
    ]
    with torch.no_grad():
        logits = network(images)
    for handle in handles:
        handle.remove()
    expected = torch.zeros(len(images), 3)
    for index, share in enumerate(shares):  # levels go from the coarsest to the finest
        pooled = maps[2 - index].flatten(2).mean(2)
        expected += share * network.heads[index](network.norms[index](pooled))
    assert torch.allclose(logits, expected, atol=1e-5)


def test_logits_are_linear_in_pooled_features_so_that_hrcam_reproduces_them(joint):
    network, images = joint
    hr = HRCAM(network).fit(images.split(10), "logits")
    assert {level.channels for level in hr.levels} == {4, 6, 8}
    assert hr.fidelity > 0.99
    one = hr.explain(images[:5])
    sums = one.evidence.flatten(1).mean(1) + one.bias
    assert torch.allclose(sums, one.logits.gather(1, one.classes[:, None])[:, 0], atol=1e-4)


def test_the_loss_reaches_every_level_and_the_cnns_own_last_layer_is_left_out(joint):
    network, images = joint
    network.train()
    labels = torch.arange(len(images)) % 3
    network.loss(images, lambda logits: functional.cross_entropy(logits, labels)).backward()
    assert all(head.weight.grad.abs().sum() > 0 for head in network.heads)
    assert all(p.grad.abs().sum() > 0 for p in network.network.blocks[0].parameters())
    assert network.network.classifier.weight.grad is None


def test_the_loss_is_that_of_the_sum_plus_the_mean_of_the_levels(joint):
    network, images = joint
    labels = torch.arange(len(images)) % 3

    def criterion(logits):
        return functional.cross_entropy(logits, labels)

    with torch.no_grad():
        expected = criterion(network(images)) + sum(
            criterion(one) / 3 for one in network.level_logits(images)
        )
        assert torch.allclose(network.loss(images, criterion), expected)


def test_nothing_stays_hooked(joint):
    network, images = joint
    network(images[:2])
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())
