"""Networks that start from files in the forms that people have: names, values, refusals."""

import pickle

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from hrcam.errors import InputError
from hrcam.levels import find_levels
from hrcam.networks import SmallCNN
from hrcam.training.initial_weights import start_from
from hrcam.training.joint import JointNetwork
from hrcam.training.network import build_network

SHAPE = (32, 32)


def small(channels=1, classes=2, seed=0):
    """A network whose every tensor differs from that of another seed, batch statistics too."""
    torch.manual_seed(seed)
    network = SmallCNN(2, channels, classes, (4, 6, 8))
    network(torch.randn(4, channels, *SHAPE))
    return network.eval()


def started(network, path, channels=1, shape=SHAPE, name="small"):
    return start_from(network, path, (channels, *shape), name)


def saved(content, path):
    torch.save(content, path)
    return path


def renamed(network, start, without=()):
    state = network.state_dict()
    return {start + key: state[key] for key in state if not key.startswith(tuple(without))}


def by_number(network, start):
    """Names of a network that was cut into a sequence of its children, without the last one."""
    children = [name for name, _ in network.named_children()]
    return {
        f"{start}{number}.{rest}": tensor
        for number, child in enumerate(children[:-1])
        for rest, tensor in network.get_submodule(child).state_dict().items()
    }


CONTENTS = {
    "state_dict": lambda source: source.state_dict(),
    "DataParallel": lambda source: {"state_dict": renamed(source, "module.")},
    "MONAI bundle": lambda source: {
        "model": source.state_dict(),
        "optimizer": {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 1e-3}]},
    },
    "bundle with a prefix": lambda source: renamed(source, "model."),
    "Lightning": lambda source: {
        "epoch": 3,
        "pytorch-lightning_version": "2.6.0",
        "state_dict": {**renamed(source, "network."), "class_weights": torch.ones(2)},
        "optimizer_states": [{"state": {}, "param_groups": []}],
    },
    "compiled": lambda source: {"model_state_dict": renamed(source, "module._orig_mod.")},
}


@pytest.mark.parametrize("kind", CONTENTS)
def test_every_tensor_is_taken_whatever_the_file_wraps_it_in(tmp_path, kind):
    source, network = small(), small(seed=1)
    report = started(network, saved(CONTENTS[kind](source), tmp_path / "w.pt"))
    pairs = zip(source.state_dict().values(), network.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert (report.fitted, report.tensors) == (32, 32)
    assert report.random == ()
    assert report.first_layer is None
    assert report.unused == (("class_weights",) if kind == "Lightning" else ())


def test_a_run_of_hrcam_is_a_file_of_weights_too(tmp_path):
    source = JointNetwork(small(), find_levels(small(), torch.zeros(2, 1, *SHAPE)), 2)
    save_file(source.state_dict(), tmp_path / "network.safetensors")
    network = small(seed=1)
    report = started(network, tmp_path / "network.safetensors")
    for key, value in network.state_dict().items():
        assert torch.equal(value, source.network.state_dict()[key])
    assert "heads.0.weight" in report.unused
    assert len(report.unused) == 3 * (2 + 4) + 1
    assert str(report).endswith("heads.2.bias and 14 more")


def test_an_encoder_that_counts_its_children_is_named_after_them(tmp_path):
    """As RadImageNet's files are: backbone.0.weight is the first child's, and there is no head."""
    source, network = small(channels=3), small(seed=1)
    report = started(network, saved(by_number(source, "backbone."), tmp_path / "ResNet50.pt"))
    assert report.fitted == 30
    assert report.random == ("classifier",)
    assert report.first_layer == "blocks.0.0 was made for 1 in place of 3 channels"
    assert torch.equal(network.blocks[1][1].weight, source.blocks[1][1].weight)
    assert torch.equal(network.blocks[2][5].running_var, source.blocks[2][5].running_var)


@pytest.mark.parametrize(("before", "now"), [(3, 1), (1, 3), (3, 2)])
def test_a_first_layer_for_other_channels_sees_the_same_in_grey_images(tmp_path, before, now):
    source, network = small(before), small(now, seed=1)
    report = started(network, saved(source.state_dict(), tmp_path / "w.pt"), now)
    grey = torch.randn(2, 1, *SHAPE)
    with torch.no_grad():
        expected = source(grey.expand(-1, before, -1, -1))
        found = network(grey.expand(-1, now, -1, -1))
    assert torch.allclose(found, expected, atol=1e-5)
    assert report.first_layer == f"blocks.0.0 was made for {now} in place of {before} channels"
    one = network.blocks[0][0].weight
    assert torch.allclose(one.sum(1), source.blocks[0][0].weight.sum(1), atol=1e-6)


def test_a_head_for_other_classes_keeps_its_random_weights(tmp_path):
    source, network = small(classes=10), small(seed=1)
    before = network.classifier.weight.clone()
    report = started(network, saved(source.state_dict(), tmp_path / "w.pt"))
    assert torch.equal(network.classifier.weight, before)
    assert torch.equal(network.blocks[2][4].weight, source.blocks[2][4].weight)
    assert str(report) == (
        "30 of the network's 32 tensors are from w.pt; random: classifier; "
        "not used of the file: classifier.weight, classifier.bias"
    )


def medicalnet_file(depth, path):
    """A file in the form of MedicalNet's: all names with "module.", and a head to segment."""
    torch.manual_seed(depth)
    source = build_network(f"medicalnet-resnet{depth}", (32, 32, 32), 1, 2).eval()
    state = renamed(source, "module.", without=["fc."])
    state["module.conv_seg.0.weight"] = torch.zeros(32, 512, 2, 2, 2)
    return source, saved({"state_dict": state}, path)


@pytest.mark.parametrize("depth", [10, 18])
def test_a_file_of_medicalnet_fits_the_networks_of_its_name(tmp_path, depth):
    source, path = medicalnet_file(depth, tmp_path / "resnet.pth")
    torch.manual_seed(1)
    network = build_network(f"medicalnet-resnet{depth}", (32, 32, 32), 1, 3).eval()
    report = started(network, path, shape=(32, 32, 32))
    for key, value in network.state_dict().items():
        assert key.startswith("fc.") or torch.equal(value, source.state_dict()[key])
    assert report.random == ("fc",)
    assert report.unused == ("module.conv_seg.0.weight",)
    assert network.conv1.stride == (2, 2, 2)


def test_a_convolution_without_a_bias_in_the_file_gets_a_bias_of_zero(tmp_path):
    from monai.networks.nets import resnet10

    torch.manual_seed(0)
    options = {"spatial_dims": 2, "n_input_channels": 1, "num_classes": 2}
    source = resnet10(bias_downsample=False, **options).eval()
    network = build_network("resnet10", SHAPE, 1, 2).eval()
    started(network, saved(source.state_dict(), tmp_path / "w.pt"), name="resnet10")
    images = torch.randn(2, 1, *SHAPE)
    with torch.no_grad():
        assert torch.equal(network(images), source(images))


def test_another_form_of_the_shortcuts_is_refused_with_the_network_to_use(tmp_path):
    _, path = medicalnet_file(18, tmp_path / "resnet_18.pth")
    network = build_network("resnet18", (32, 32, 32), 1, 2)
    with pytest.raises(InputError, match=r"no convolutions: see .* medicalnet-resnet18"):
        started(network, path, shape=(32, 32, 32), name="resnet18")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")  # of torch
@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("other network", "does not hold the weights of small: 30 of its 32 tensors .*is missing"),
        ("3D", r"weights of small: .* shape \(4, 1, 3, 3, 3\), not \(4, 1, 3, 3\)"),
        ("fewer blocks", r"blocks\.2\.1\.weight is missing"),
        ("text", "is no file of weights"),
        ("code", "could run code .* weights_only=False"),
        ("a list", "no tensors by name"),
        ("a number", "no tensors by name"),
        ("TorchScript", "TorchScript is not read"),
        ("broken safetensors", "cannot be read as weights"),
        ("missing", "there is no file of weights"),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(tmp_path, content, message):
    path = tmp_path / ("w.safetensors" if "safetensors" in content else "w.pt")
    if content == "other network":
        torch.save(nn.Sequential(nn.Linear(4, 2)).state_dict(), path)
    elif content == "3D":
        torch.save(SmallCNN(3, 1, 2, (4, 6, 8)).state_dict(), path)
    elif content == "fewer blocks":
        torch.save(SmallCNN(2, 1, 2, (4, 6)).state_dict(), path)
    elif content in ("text", "broken safetensors"):
        path.write_text("404: not found")
    elif content == "code":
        path.write_bytes(pickle.dumps(print))
    elif content == "a list":
        torch.save([1, 2], path)
    elif content == "a number":
        torch.save({"state_dict": {"epoch": 3}}, path)
    elif content == "TorchScript":
        torch.jit.save(torch.jit.script(nn.Linear(1, 1)), path)
    network = small()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with pytest.raises(InputError, match=message):
        started(network, path)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
