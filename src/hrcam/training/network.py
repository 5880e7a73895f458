"""Networks by name: a small CNN, those of MONAI, of other libraries, and the user's own."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from hrcam.errors import InputError
from hrcam.networks import SmallCNN
from hrcam.training.library_networks import LIBRARIES
from hrcam.training.network_factory import network_of_factory

Builder = Callable[[tuple[int, ...], int, int], nn.Module]

# Channels of the blocks, in 2D and 3D; fewer in 3D, where images have about 100 times more voxels.
_SMALL = {2: (16, 32, 64, 96, 128), 3: (8, 16, 32, 64, 96)}
# Few positions in the last level, whose mean the network takes, help to learn small lesions (in
# volumes of 48³); fewer than these along the longest axis made maps worse (on the hippocampus).
_FEWEST_POSITIONS = 3


def _small(shape: tuple[int, ...], channels: int, classes: int) -> nn.Module:
    widths = _SMALL[len(shape)]
    blocks = sum(
        max(shape) >= _FEWEST_POSITIONS * stride and min(shape) >= stride
        for stride in (2**block for block in range(len(widths)))
    )
    return SmallCNN(len(shape), channels, classes, widths[: max(1, blocks)])


def _resnet(name: str) -> Builder:
    return lambda shape, channels, classes: _monai(
        name, spatial_dims=len(shape), n_input_channels=channels, num_classes=classes
    )


def _densenet(name: str) -> Builder:
    return lambda shape, channels, classes: _monai(
        name, spatial_dims=len(shape), in_channels=channels, out_channels=classes
    )


def _efficientnet(name: str) -> Builder:
    # MONAI's default, pretrained weights, would need a download.
    return lambda shape, channels, classes: _monai(
        "EfficientNetBN",
        model_name=name,
        pretrained=False,
        spatial_dims=len(shape),
        in_channels=channels,
        num_classes=classes,
    )


def _senet(name: str) -> Builder:
    return lambda shape, channels, classes: _monai(
        name, spatial_dims=len(shape), in_channels=channels, num_classes=classes
    )


def _monai(name: str, **options: Any) -> nn.Module:
    from monai.networks import nets

    network: nn.Module = getattr(nets, name)(**options)
    return network


NETWORKS: dict[str, Builder] = {
    "small": _small,
    "resnet10": _resnet("resnet10"),
    "resnet18": _resnet("resnet18"),
    "resnet34": _resnet("resnet34"),
    "resnet50": _resnet("resnet50"),
    "densenet121": _densenet("DenseNet121"),
    "densenet169": _densenet("DenseNet169"),
    "efficientnet-b0": _efficientnet("efficientnet-b0"),
    "efficientnet-b2": _efficientnet("efficientnet-b2"),
    "seresnet50": _senet("SEResNet50"),
}
"""Builders by name: from (shape of the grid, channels of the image, classes) to a network."""


def build_network(
    name: str, shape: tuple[int, ...], channels: int, classes: int, weights: Path | None = None
) -> nn.Module:
    """Build a network, optionally with initial weights from a local file.

    Parameters
    ----------
    name
        A key of `NETWORKS`, ``torchvision:NAME``, ``timm:NAME``, or ``package.module:function``
        for a function as in `hrcam.training.network_factory`.
    shape, channels, classes
        Shape of the grid, with 2 or 3 axes; number of image channels; number of logits.
    weights
        A safetensors file, or a file of ``torch.save`` with only tensors. A first layer for other
        channels and a last layer for other classes keep their random weights.

    Raises
    ------
    InputError
        If the network does not exist or its library is not installed, or the weights are of
        another network.
    """
    network = _random_network(name, shape, channels, classes)
    if weights is not None:
        _start_from(network, weights, name)
    return network


def _random_network(name: str, shape: tuple[int, ...], channels: int, classes: int) -> nn.Module:
    if name in NETWORKS:
        return NETWORKS[name](shape, channels, classes)
    source, _, within = name.partition(":")
    if source in LIBRARIES:
        return LIBRARIES[source](within, shape, channels, classes)
    if within:
        return network_of_factory(name, shape, channels, classes)
    raise InputError(
        f"there is no network {name!r}: use one of {', '.join(NETWORKS)}, torchvision:NAME, "
        "timm:NAME, or your own as package.module:function"
    )


def _start_from(network: nn.Module, path: Path, name: str) -> None:
    found = _read_weights(path)
    wanted = network.state_dict()
    fitting = {
        key: value
        for key, value in found.items()
        if key in wanted and wanted[key].shape == value.shape
    }
    ends = _ends(network)
    left = [key for key in wanted if key not in fitting and key not in ends]
    if left:
        raise InputError(
            f"{path} does not hold the weights of {name}: {len(left)} of its {len(wanted)} "
            f"tensors are missing or have another shape, the first is {left[0]}; give the file "
            "of the same network"
        )
    network.load_state_dict(fitting, strict=False)


def _ends(network: nn.Module) -> set[str]:
    """Return the names of the tensors that depend on the channels or on the classes."""
    layers = [
        (name, module)
        for name, module in network.named_modules()
        if isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d)
    ]
    return {
        f"{name}.{tensor}"
        for name, module in (layers[0], layers[-1])
        for tensor in module.state_dict()
    }


def _read_weights(path: Path) -> dict[str, torch.Tensor]:
    if not path.is_file():
        raise InputError(f"there is no file of weights {path}: give a local file")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        # Only tensors: a file that could run code on loading is refused.
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, ValueError, EOFError) as error:
        raise InputError(
            f"{path} cannot be read as weights: {type(error).__name__}; give a safetensors file, "
            "or one of torch.save with tensors alone"
        ) from error
    state = state.get("state_dict", state) if isinstance(state, dict) else None
    if not isinstance(state, dict) or not all(torch.is_tensor(one) for one in state.values()):
        raise InputError(f"{path} holds no dictionary of tensors: give a network's state_dict")
    return state
