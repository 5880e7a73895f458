import pytest
import torch
from torch import nn

from hrcam.networks import SmallCNN
from hrcam.training.layer_order import LayerOrder
from hrcam.training.network import build_network


class Squeeze(nn.Module):
    """Scales channels by linear layers of their means: layers on vectors before the last map."""

    def __init__(self, channels):
        super().__init__()
        self.layers = nn.Linear(channels, channels)

    def forward(self, maps):
        return maps * self.layers(maps.mean((2, 3)))[..., None, None]


class DefinedInReverse(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(4, 2)
        self.hidden = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
        self.squeeze = Squeeze(4)
        self.scale = nn.Parameter(torch.ones(4, 1, 1))
        self.stem = nn.Conv2d(1, 4, 3)

    def forward(self, images):
        return self.head(self.hidden(self.squeeze(self.stem(images) * self.scale).mean((2, 3))))


class Tokens(nn.Module):
    """Begins with a parameter of its own, and uses a layer without calling it."""

    def __init__(self):
        super().__init__()
        self.position = nn.Parameter(torch.zeros(1, 16, 4))
        self.embed = nn.Conv2d(1, 4, 4, stride=4)
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.norm = nn.LayerNorm(4)
        self.head = nn.Linear(4, 2)

    def forward(self, images):
        tokens = self.embed(images).flatten(2).mT + self.position
        return self.head(self.norm(self.attention(tokens, tokens, tokens)[0]).mean(1))


class MapOfLogits(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 1))

    def forward(self, images):
        return super().forward(images).mean((2, 3))


@pytest.mark.parametrize(
    ("network", "first", "head", "layers"),
    [
        (
            DefinedInReverse(),
            "stem",
            ("hidden.0", "hidden.1", "head"),
            ("", "stem", "squeeze.layers", "hidden.0", "hidden.1", "head"),
        ),
        (
            Tokens(),
            "embed",
            ("head",),
            ("", "embed", "attention", "attention.out_proj", "norm", "head"),
        ),
        (MapOfLogits(), "0", ("2",), ("0", "2")),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_layers_are_in_the_order_in_which_they_run(network, first, head, layers):
    order = LayerOrder.of(network, (1, 16, 16))
    assert order.layers == layers
    assert (order.first, order.head) == (first, head)
    assert network.training


@pytest.mark.parametrize(
    ("name", "first", "head"),
    [
        ("small", "blocks.0.0", ("classifier",)),
        ("resnet10", "conv1", ("fc",)),
        ("densenet121", "features.conv0", ("class_layers.out",)),
        ("efficientnet-b0", "_conv_stem", ("_fc",)),
        ("seresnet50", "layer0.conv1", ("last_linear",)),
    ],
)
def test_the_head_is_what_depends_on_the_classes(name, first, head):
    order = LayerOrder.of(build_network(name, (32, 32), 1, 2), (1, 32, 32))
    assert (order.first, order.head) == (first, head)
    assert order.is_in_head(f"{head[0]}.weight")
    assert not order.is_in_head(f"{first}.weight")


def test_the_network_is_left_as_it_was():
    network = SmallCNN(2, 1, 2, (4, 6))
    network.blocks[0].eval()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    LayerOrder.of(network, (1, 16, 16))
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert not network.blocks[0][1].training
    assert network.blocks[1][1].training
