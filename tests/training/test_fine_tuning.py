"""What is frozen stays as it is, and learning rates fall from block to block."""

import numpy as np
import pytest
import torch
from small_runs import preparation
from torch import nn

from hrcam.errors import InputError
from hrcam.levels import find_levels
from hrcam.networks import SmallCNN
from hrcam.training.classifier import Learner, train_classifier
from hrcam.training.config import Hardware, TrainingConfig
from hrcam.training.fine_tuning import freeze_backbone, layer_rates, parameter_groups
from hrcam.training.images import ImageDataset
from hrcam.training.joint import JointNetwork
from hrcam.training.layer_order import LayerOrder
from hrcam.training.network import build_network
from hrcam.training.objectives import WeightedCrossEntropy
from hrcam.training.run_network import check_network, initial_network

SHAPE = (1, 16, 16)


class TwoLayerHead(nn.Module):
    """A head of two layers with a batch norm and dropout, and dropout before it."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Dropout2d(0.5))
        self.head = nn.Sequential(
            nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Dropout(0.5), nn.Linear(6, 2)
        )

    def forward(self, images):
        return self.head(self.body(images).mean((2, 3)))


class Wrapped(nn.Module):
    """A network in a wrapper that has a parameter of its own."""

    def __init__(self, network):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.network = network

    def forward(self, images):
        return self.network(images * self.scale)


def trained(network, tmp_path, **options):
    generator = np.random.default_rng(0)
    images = generator.normal(size=(12, *SHAPE)).astype(np.float32)
    data = ImageDataset(images, np.arange(12) % 2)
    train_classifier(
        network,
        data,
        epochs=2,
        batch_size=4,
        learning_rate=0.05,
        validation=data,
        patience=2,
        checkpoints=tmp_path / "fold" / "checkpoints",
        hardware=Hardware(accelerator="cpu"),
        **options,
    )


@pytest.mark.parametrize(
    ("network", "head"),
    [
        (SmallCNN(2, 1, 2, (4, 6)), "classifier."),
        (TwoLayerHead().eval(), "head."),
    ],
    ids=["one layer", "two layers"],
)
def test_a_frozen_network_keeps_all_but_its_head_bit_by_bit(tmp_path, network, head):
    with torch.no_grad():
        for buffer in network.buffers():
            buffer.add_(1)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    freeze_backbone(network, SHAPE)
    trained(network, tmp_path)
    for key, value in network.state_dict().items():
        assert torch.equal(value, before[key]) == (not key.startswith(head)), key


def test_layers_without_weights_follow_what_is_around_them():
    network = TwoLayerHead()
    freeze_backbone(network, SHAPE)
    modes = {name: module.training for name, module in network.named_modules()}
    assert modes == {
        **{"": True, "body": False, "body.0": False, "body.1": False, "body.2": False},
        **{"head": True, "head.0": True, "head.1": True, "head.2": True, "head.3": True},
    }


def test_a_run_freezes_the_weights_of_its_file_and_not_those_of_its_joint_head(tmp_path):
    source = SmallCNN(2, 1, 2, (16, 32, 64))  # as small is for this grid
    torch.save(source.state_dict(), tmp_path / "w.pt")
    config = TrainingConfig(weights=tmp_path / "w.pt", freeze=True, head="joint")
    network, weights = initial_network("small", config, (16, 16), 1, 2)
    assert weights.random == ()
    assert {key for key, one in network.named_parameters() if not one.requires_grad} == {
        f"network.blocks.{key}" for key, _ in source.blocks.named_parameters()
    }


def shares_of(network, names):
    """The shares of some parameters, by their names."""
    rates = layer_rates(network, SHAPE, 0.5)
    assert set(rates) == {name for name, _ in network.named_parameters()}
    return [rates[name] for name in names]


def test_the_share_halves_from_each_block_to_the_one_before():
    names = ("classifier.bias", "blocks.2.4.weight", "blocks.2.2.weight", "blocks.1.5.bias")
    small = SmallCNN(2, 1, 2, (4, 6, 8))
    assert shares_of(small, [*names, "blocks.0.0.weight"]) == [1, 0.5, 0.5, 0.25, 0.125]
    wrapped = [f"network.{name}" for name in (*names, "blocks.0.0.weight")]
    assert shares_of(Wrapped(small), [*wrapped, "scale"]) == [1, 0.5, 0.5, 0.25, 0.125, 0.125]


def test_residual_blocks_are_blocks_and_norms_count_with_the_block_before():
    network = build_network("resnet18", SHAPE[1:], 1, 2)
    assert shares_of(
        network,
        ["fc.weight", "layer4.1.conv2.weight", "layer4.0.bn1.bias", "layer4.0.downsample.0.bias",
         "layer1.0.conv1.weight", "bn1.weight", "conv1.weight"],
    ) == [1, 1 / 2, 1 / 4, 1 / 4, 1 / 2**8, 1 / 2**9, 1 / 2**9]  # fmt: skip
    dense = build_network("densenet121", (32, 32), 1, 2)
    blocks = LayerOrder.of(dense, (1, 32, 32)).blocks(dense)
    assert [one[0] for one in blocks[:3]] == [
        "features.conv0",
        "features.denseblock1.denselayer1.layers.norm1",
        "features.transition1.norm",
    ]
    assert blocks[0] == ["features.conv0", "features.norm0"]
    assert blocks[-1] == ["class_layers.out"]
    assert len(blocks) == 1 + 4 + 3 + 1


def test_the_heads_of_a_joint_network_learn_at_the_full_rate():
    cnn = SmallCNN(2, 1, 2, (4, 6))
    network = JointNetwork(cnn, find_levels(cnn, torch.zeros(2, *SHAPE)), 2)
    assert shares_of(network, ["heads.0.weight", "level_scores", "network.blocks.1.1.weight"]) == [
        1,
        1,
        0.5,
    ]


def test_the_optimiser_has_each_parameter_once_at_its_rate():
    network = SmallCNN(2, 1, 2, (4, 6))
    rates = layer_rates(network, SHAPE, 0.5)
    learner = Learner(network, 0.1, WeightedCrossEntropy(torch.ones(2)), 0, rates)
    learner._trainer = type("Trainer", (), {"estimated_stepping_batches": 10})()
    groups = learner.configure_optimizers()["optimizer"].param_groups
    found = {id(one): group["max_lr"] for group in groups for one in group["params"]}
    assert sum(len(group["params"]) for group in groups) == len(found) == len(rates)
    for name, parameter in network.named_parameters():
        assert found[id(parameter)] == pytest.approx(0.1 * rates[name])
    assert [group["max_lr"] for group in groups] == pytest.approx([0.025, 0.05, 0.1])
    assert all(group["lr"] == pytest.approx(group["max_lr"] / 25) for group in groups)
    (whole,) = parameter_groups(network, 0.1, None)
    assert whole["params"] == list(network.parameters())


def test_blocks_move_in_proportion_to_their_rates(tmp_path):
    network = SmallCNN(2, 1, 2, (4, 6))
    before = {key: value.detach().clone() for key, value in network.named_parameters()}
    trained(network, tmp_path, rates=layer_rates(network, SHAPE, 1e-3))
    moved = {
        key: float((value.detach() - before[key]).abs().max())
        for key, value in network.named_parameters()
    }
    assert moved["classifier.weight"] > 1e-3
    assert 1e-6 < moved["blocks.1.1.weight"] < 1e-2 * moved["classifier.weight"]
    assert moved["blocks.0.0.weight"] < 1e-2 * moved["blocks.1.1.weight"]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("small", {"freeze": True}, "random weights of small: give a file of trained ones"),
        ("timm:vit", {"freeze": True}, "random weights of timm:vit"),
        ("small", {"freeze": True, "layer_decay": 0.5}, "leave one of them out"),
    ],
)
def test_options_that_make_no_sense_are_refused(name, options, message):
    with pytest.raises(InputError, match=message):
        check_network(name, TrainingConfig(**options), preparation((16, 16)), 2)
