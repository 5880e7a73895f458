"""Networks of torchvision and timm, which need not be installed: fakes have their form."""

import sys
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType

import pytest
import torch
from torch import nn

from hrcam.errors import InputError
from hrcam.training.network import build_network


class FakeResNet(nn.Module):
    """Begins as torchvision's ResNet does."""

    def __init__(self, classes, channels=3):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 4, 7, stride=2, padding=3, bias=False)
        self.conv2 = nn.Conv2d(4, 8, 3)
        self.fc = nn.Linear(8, classes)

    def forward(self, images):
        return self.fc(self.conv2(self.conv1(images)).mean((2, 3)))


def fake_module(monkeypatch, name, **members):
    module = ModuleType(name)
    module.__spec__ = ModuleSpec(name, None)
    vars(module).update(members)
    monkeypatch.setitem(sys.modules, name, module)
    return module


@pytest.fixture
def calls(monkeypatch):
    """Put fakes in place of both libraries; return what they are called with."""
    seen = []

    def get_model(name, **options):
        seen.append((name, options))
        return FakeResNet(options["num_classes"])

    def create_model(name, **options):
        seen.append((name, options))
        return FakeResNet(options["num_classes"], options["in_chans"])

    names = ["resnet18", "resnet34", "googlenet"]
    models = fake_module(
        monkeypatch, "torchvision.models", list_models=lambda module: names, get_model=get_model
    )
    fake_module(monkeypatch, "torchvision", models=models)
    fake_module(
        monkeypatch,
        "timm",
        is_model=lambda name: name in ("convnext_tiny", "convnext_tiny.in12k"),
        list_models=lambda: ["convnext_tiny", "resnet18"],
        create_model=create_model,
    )
    return seen


@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("name", ["torchvision:resnet18", "timm:convnext_tiny.in12k"])
def test_a_network_of_a_library_gets_the_channels_of_the_images_and_no_weights(
    calls, name, channels
):
    network = build_network(name, (32, 32), channels, 5)
    assert network(torch.zeros(2, channels, 32, 32)).shape == (2, 5)
    first = network.conv1
    assert (first.stride, first.padding, first.bias) == ((2, 2), (3, 3), None)
    [(asked, options)] = calls
    assert asked == name.partition(":")[2]
    assert options == (
        {"weights": None, "num_classes": 5}
        if name.startswith("torchvision")
        else {"pretrained": False, "in_chans": channels, "num_classes": 5}
    )


def test_second_classifiers_are_left_out(calls):
    build_network("torchvision:googlenet", (32, 32), 3, 2)
    assert calls[0][1]["aux_logits"] is False


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("torchvision:resnet-18", "resnet18"),
        ("torchvision:fcn_resnet50", "resnet18"),
        ("timm:convnext_tin", "convnext_tiny"),
        ("timm:hf-hub:someone/convnext_tiny", "convnext_tiny"),  # would be downloaded
    ],
)
def test_an_unknown_name_is_answered_with_known_ones(calls, name, known):
    with pytest.raises(InputError, match=known):
        build_network(name, (32, 32), 1, 2)
    assert not calls


@pytest.mark.parametrize("library", ["torchvision", "timm"])
def test_volumes_and_a_missing_library_are_refused(monkeypatch, library):
    with pytest.raises(InputError, match="is a volume: use one of MONAI, such as resnet18"):
        build_network(f"{library}:resnet18", (32, 32, 32), 1, 2)
    if find_spec(library) is None:
        with pytest.raises(InputError, match=f"not installed: pip install {library}"):
            build_network(f"{library}:resnet18", (32, 32), 1, 2)
