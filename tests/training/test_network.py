import pickle

import pytest
import torch
from safetensors.torch import save_file

from hrcam.errors import InputError
from hrcam.training.network import NETWORKS, build_network


@pytest.mark.parametrize("name", NETWORKS)
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


@pytest.mark.parametrize("kind", ["safetensors", "pt", "checkpoint"])
def test_weights_of_the_same_network_are_taken(tmp_path, kind):
    torch.manual_seed(0)
    source = build_network("small", (64, 64), 1, 2)
    path = tmp_path / ("w.safetensors" if kind == "safetensors" else "w.pt")
    if kind == "safetensors":
        save_file(source.state_dict(), path)
    else:
        state = source.state_dict()
        torch.save({"state_dict": state} if kind == "checkpoint" else state, path)
    network = build_network("small", (64, 64), 1, 2, path)
    pairs = zip(source.state_dict().values(), network.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_a_last_layer_for_other_classes_and_a_first_for_other_channels_start_anew(tmp_path):
    source = build_network("small", (64, 64), 3, 10)
    save_file(source.state_dict(), tmp_path / "w.safetensors")
    network = build_network("small", (64, 64), 1, 2, tmp_path / "w.safetensors")
    assert network(torch.zeros(2, 1, 32, 32)).shape == (2, 2)
    assert torch.equal(network.blocks[2][1].weight, source.blocks[2][1].weight)


@pytest.mark.parametrize("content", ["other network", "text", "code", "missing", "a list"])
def test_weights_that_do_not_fit_are_refused(tmp_path, content):
    path = tmp_path / "w.pt"
    if content == "other network":
        torch.save(build_network("resnet10", (64, 64), 1, 2).state_dict(), path)
    elif content == "text":
        path.write_text("404: not found")
    elif content == "code":
        path.write_bytes(pickle.dumps(print))
    elif content == "a list":
        torch.save([1, 2], path)
    with pytest.raises(InputError, match=r"weights|tensors"):
        build_network("small", (64, 64), 1, 2, path)


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
