import pytest
import torch
from monai.networks import nets

from hrcam.errors import InputError
from hrcam.training.medicalnet import PaddedShortcut
from hrcam.training.network import build_network


@pytest.mark.parametrize("size", [8, 7])
def test_the_shortcut_computes_what_monais_does_and_passes_gradients(size):
    monai = nets.resnet18(spatial_dims=3, n_input_channels=1, shortcut_type="A")
    maps = torch.randn(2, 4, size, size, size, requires_grad=True)
    found = PaddedShortcut(10, 2)(maps)
    assert torch.equal(found, monai._downsample_basic_block(maps, 10, 2))
    found.sum().backward()
    taken = torch.zeros(size, size, size)
    taken[::2, ::2, ::2] = 1
    assert torch.equal(maps.grad, taken.expand_as(maps))


@pytest.mark.parametrize("depth", [18, 50])
def test_its_tensors_have_the_names_of_medicalnets(depth):
    names = set(build_network(f"medicalnet-resnet{depth}", (32, 32, 32), 1, 2).state_dict())
    shortcuts = {name for name in names if "downsample" in name}
    if depth == 18:
        assert not shortcuts
    else:
        assert "layer1.0.downsample.0.weight" in shortcuts
        assert "layer1.0.downsample.0.bias" not in shortcuts
    assert {"conv1.weight", "bn1.running_var", "layer4.1.bn2.bias"} <= names


def test_it_takes_volumes_only():
    network = build_network("medicalnet-resnet18", (32, 24, 32), 2, 3).eval()
    with torch.no_grad():
        assert network(torch.zeros(1, 2, 32, 24, 32)).shape == (1, 3)
    with pytest.raises(InputError, match="for volumes, and the grid is of pictures: use resnet18"):
        build_network("medicalnet-resnet18", (32, 32), 1, 2)
