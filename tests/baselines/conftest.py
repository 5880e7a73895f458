"""Networks whose activations and gradients are known, and small ordinary ones."""

import pytest
import torch
from method_tools import CONVOLUTIONS, Copy
from torch import nn

NORMS = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
POOLINGS = {1: nn.AdaptiveAvgPool1d, 2: nn.AdaptiveAvgPool2d, 3: nn.AdaptiveAvgPool3d}

A1 = [[1.0, 2.0], [3.0, 4.0]]
A2 = [[0.0, 1.0], [2.0, 1.0]]
G1 = [[0.4, -0.2], [0.2, 0.0]]
G2 = [[-0.4, 0.4], [0.8, 0.0]]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Small networks on shared cores: threads that wait for each other take most of the time."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class SmallNet(nn.Module):
    """Two resolutions, in-place activations, global average pooling, one linear layer."""

    def __init__(self, spatial=2, classes=3, inplace=True):
        super().__init__()
        convolution, norm = CONVOLUTIONS[spatial], NORMS[spatial]
        self.first = convolution(1, 4, 3, padding=1)
        self.norm = norm(4)
        self.act = nn.ReLU(inplace=inplace)
        self.second = convolution(4, 6, 3, stride=2, padding=1)
        self.last = nn.ReLU(inplace=inplace)
        self.pool = POOLINGS[spatial](1)
        self.head = nn.Linear(6, classes)

    def forward(self, x):
        x = self.act(self.norm(self.first(x)))
        return self.head(self.pool(self.last(self.second(x))).flatten(1))


@pytest.fixture
def image():
    """One image, whose two channels are A1 and A2."""
    return torch.tensor([[A1, A2]])


@pytest.fixture
def known_gradients():
    """Activations are the image; the gradient of logit 0 is (G1, G2), of logit 1 its negative."""
    model = nn.Sequential(Copy(), nn.Flatten(), nn.Linear(8, 2, bias=False))
    weights = torch.tensor([G1, G2]).flatten()
    model[2].weight.data = torch.stack([weights, -weights])
    return model


@pytest.fixture
def known_head():
    """Activations are the image; a linear head over their means with known weights."""
    model = nn.Sequential(Copy(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2))
    model[3].weight.data = torch.tensor([[1.0, -1.0], [0.5, 2.0]])
    model[3].bias.data.zero_()
    return model


@pytest.fixture
def small_net():
    """Make a SmallNet with the same random weights each time."""

    def make(spatial=2, classes=3, inplace=True):
        torch.manual_seed(0)
        model = SmallNet(spatial, classes, inplace)
        # Large enough that no map is all negative, with statistics that are not the default.
        nn.init.normal_(model.head.weight)
        model.norm.running_mean.normal_()
        return model

    return make


@pytest.fixture
def small_images():
    def make(spatial=2, batch=3):
        generator = torch.Generator().manual_seed(1)
        return torch.randn(batch, 1, *(8,) * spatial, generator=generator)

    return make
