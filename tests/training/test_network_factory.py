"""Networks that a function of the user's makes, in training and again in mapping."""

import hashlib
import logging
import sys

import pytest
import torch
from small_runs import preparation
from torch import nn

from hrcam.artifacts.run_folder import read_fold
from hrcam.cohort.opening import open_cohort
from hrcam.errors import InputError
from hrcam.training.cohort_training import train_cohort
from hrcam.training.config import Hardware, TrainingConfig
from hrcam.training.network import build_network
from hrcam.training.run import Run
from hrcam.training.run_network import check_network

SOURCE = """
from torch import nn

from hrcam.networks import SmallCNN

def small(spatial_dims, in_channels, num_classes):
    return SmallCNN(spatial_dims, in_channels, num_classes, (4, 6, 8))

def features(spatial_dims, in_channels, num_classes):
    return SmallCNN(spatial_dims, in_channels, num_classes, (4, 6, 8)).blocks

def square(spatial_dims, in_channels, num_classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(16, num_classes))

def without_classes(spatial_dims, in_channels):
    return nn.Identity()

def nothing(spatial_dims, in_channels, num_classes):
    return None

def raising(spatial_dims, in_channels, num_classes):
    return {}["width"]

def coloured(spatial_dims, in_channels, num_classes):
    return SmallCNN(spatial_dims, 3, num_classes, (4, 6, 8))

def flat(spatial_dims, in_channels, num_classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(32 * 32, num_classes))

class Broken(nn.Module):
    def __init__(self, network, fault):
        super().__init__()
        self.network, self.fault = network, fault

    def forward(self, images):
        return self.fault(self.network(images))

def infinite(spatial_dims, in_channels, num_classes):
    network = SmallCNN(spatial_dims, in_channels, num_classes, (4, 6, 8))
    return Broken(network, lambda logits: logits / 0)

def unknown(spatial_dims, in_channels, num_classes):
    network = SmallCNN(spatial_dims, in_channels, num_classes, (4, 6, 8))
    return Broken(network, lambda logits: logits[:, 0, 0, 0])

number = 3
"""


@pytest.fixture
def own_networks(tmp_path, monkeypatch):
    """A folder on Python's path with a module of networks in a package."""
    package = tmp_path / "code" / "own_package"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "networks.py").write_text(SOURCE)
    (package / "faulty.py").write_text("def build(:\n")
    (package / "broken.py").write_text("import a_package_that_is_not_there\n")
    monkeypatch.syspath_prepend(tmp_path / "code")
    yield package
    for name in [one for one in sys.modules if one.split(".")[0] == "own_package"]:
        del sys.modules[name]


@pytest.mark.parametrize("shape", [(16, 16), (16, 16, 16)])
def test_the_function_is_called_with_axes_channels_and_classes(own_networks, shape):
    network = build_network("own_package.networks:small", shape, 2, 4)
    assert network(torch.zeros(2, 2, *shape)).shape == (2, 4)
    assert isinstance(network.blocks[0][0], {2: nn.Conv2d, 3: nn.Conv3d}[len(shape)])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_such_package.networks:small", "finds no module no_such_package: .* PYTHONPATH"),
        ("own_package.other:small", r"finds no module own_package\.other: .* PYTHONPATH"),
        ("own_package.broken:small", "needs a_package_that_is_not_there"),
        ("own_package.faulty:build", "own_package.faulty:build raised SyntaxError on import: "),
        ("own_package.networks:large", r"networks\.py has no function large"),
        ("own_package.networks:number", "has no function number"),
        ("own_package.networks:without_classes", "in_channels, num_classes by keyword"),
        ("own_package.networks:nothing", r"returned NoneType: it must return a torch\.nn\.Module"),
        (
            "own_package.networks:raising",
            "function own_package.networks:raising raised KeyError: 'width'; it was called with "
            "spatial_dims=2, in_channels=1, num_classes=2",
        ),
        ("networks.py:small()", "package.module:function"),
        (":small", "package.module:function"),
    ],
)
def test_what_is_no_factory_is_refused_with_what_to_do(own_networks, name, message):
    with pytest.raises(InputError, match=message):
        build_network(name, (16, 16), 1, 2)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("features", r"returns \(1, 8, 8, 8\) for one image of 2 classes"),
        ("square", "does not take a grid of 32 × 32"),
        ("unknown", r"does not take a grid of 32 × 32 \(IndexError: too many indices"),
        (
            "coloured",
            r"does not take images with in_channels=1 \(.*3 channels.*\): its first layer must",
        ),
        ("flat", r"cannot be mapped on a grid of 32 × 32 \(the model has no feature map"),
        ("infinite", "returns NaN or infinity before it is trained"),
    ],
)
def test_a_network_that_cannot_be_trained_and_mapped_is_refused(own_networks, name, message):
    with pytest.raises(InputError, match=message):
        check_network(f"own_package.networks:{name}", TrainingConfig(), preparation((32, 32)), 2)


def test_a_run_finds_the_users_network_again_and_says_when_it_is_gone(
    own_networks, bright_cohort, tmp_path, monkeypatch, caplog
):
    name, weights = "own_package.networks:small", tmp_path / "weights.pt"
    torch.save({"state_dict": build_network(name, (16, 16), 3, 5).state_dict()}, weights)
    config = TrainingConfig(
        network=name, weights=weights, shape=(16, 16), folds=2, epochs=1, head="joint"
    )
    cpu = Hardware(accelerator="cpu", workers=1)
    with caplog.at_level(logging.INFO, "hrcam"):
        train_cohort(
            open_cohort(bright_cohort), tmp_path / "run", config, hardware=cpu, progress=False
        )
    told = [one for one in caplog.messages if one.startswith("initial weights: ")]
    assert len(told) == 1
    assert "30 of the network's 32 tensors are from weights.pt; blocks.0.0 was made" in told[0]
    record = read_fold(tmp_path / "run/fold-2")["initial_weights"]
    assert record["file"] == "weights.pt"
    assert record["sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert record["random"] == ["classifier"]
    weights.unlink()
    run = Run.open(tmp_path / "run")
    assert run.config.network == name
    assert run.explainer(1).explain(torch.zeros(1, 1, 16, 16)).pattern.shape == (1, 16, 16)
    own_networks.parent.rename(tmp_path / "elsewhere")
    for module in [one for one in sys.modules if one.split(".")[0] == "own_package"]:
        monkeypatch.delitem(sys.modules, module)
    with pytest.raises(InputError, match=r"finds no module own_package: .* PYTHONPATH"):
        run.explainer(1)
