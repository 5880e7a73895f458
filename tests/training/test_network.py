import pytest
import torch

from hrcam.errors import InputError
from hrcam.training.network import NETWORKS, build_network


@pytest.mark.parametrize("name", [one for one in NETWORKS if "medicalnet" not in one])
def test_every_network_takes_any_number_of_channels_and_classes(name):
    network = build_network(name, (64, 64), 2, 3).eval()
    with torch.no_grad():
        assert network(torch.zeros(1, 2, 64, 64)).shape == (1, 3)


@pytest.mark.parametrize("name", ["small", "resnet10", "efficientnet-b0"])
def test_networks_exist_in_3d(name):
    network = build_network(name, (32, 32, 32), 1, 2).eval()
    with torch.no_grad():
        assert network(torch.zeros(1, 1, 32, 32, 32)).shape == (1, 2)


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(InputError, match="resnet18"):
        build_network("resnet-18", (64, 64), 1, 2)


@pytest.mark.parametrize(
    ("shape", "blocks"),
    [
        ((128, 128), 5),
        ((48, 40), 5),
        ((47, 40), 4),  # the last of five would have two positions
        ((96, 96, 96), 5),
        ((48, 48, 40), 5),
        ((47, 47, 47), 4),
        ((23, 16, 16), 3),
        ((32, 40, 32), 4),
        ((64, 64, 8), 4),  # a fifth would leave nothing of the third axis
        ((2, 2), 1),
    ],
)
def test_the_last_block_of_the_small_network_has_three_positions_or_more(shape, blocks):
    network = build_network("small", shape, 1, 2).eval()
    assert len(network.blocks) == blocks
    with torch.no_grad():
        assert network(torch.zeros(1, 1, *shape)).shape == (1, 2)
