"""Networks of torchvision and timm by name, with random weights."""

import importlib
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from importlib.util import find_spec
from typing import Any

from torch import nn

from hrcam.errors import InputError

# They have a second classifier for the loss, and return its logits as well.
_WITH_AUXILIARY_LOGITS = {"googlenet", "inception_v3"}


def torchvision_network(
    name: str, shape: tuple[int, ...], channels: int, classes: int
) -> nn.Module:
    """Build a classification network of torchvision.

    Its networks take three channels: for another number the first convolution is replaced.

    Raises
    ------
    InputError
        If torchvision is not installed or has no such network, or the grid is a volume.
    """
    models = _library("torchvision", "torchvision.models", name, shape)
    known = models.list_models(module=models)
    if name not in known:
        raise _unknown("torchvision", name, known)
    options = {"aux_logits": False, "init_weights": True} if name in _WITH_AUXILIARY_LOGITS else {}
    network: nn.Module = models.get_model(name, weights=None, num_classes=classes, **options)
    if channels != 3:
        _replace_first_convolution(network, channels)
    return network


def timm_network(name: str, shape: tuple[int, ...], channels: int, classes: int) -> nn.Module:
    """Build a network of timm.

    Raises
    ------
    InputError
        If timm is not installed or has no such network, or the grid is a volume.
    """
    timm = _library("timm", "timm", name, shape)
    if not timm.is_model(name):  # nor is the address of a file, which would be downloaded
        raise _unknown("timm", name, timm.list_models())
    network: nn.Module = timm.create_model(
        name, pretrained=False, in_chans=channels, num_classes=classes
    )
    return network


LIBRARIES: dict[str, Callable[[str, tuple[int, ...], int, int], nn.Module]] = {
    "torchvision": torchvision_network,
    "timm": timm_network,
}
"""Builders by library: from (name, shape of the grid, channels, classes) to a network."""


def _library(package: str, module: str, name: str, shape: tuple[int, ...]) -> Any:
    if len(shape) != 2:
        raise InputError(
            f"the networks of {package} are for pictures, and the grid is a volume: use one of "
            "MONAI, such as resnet18 or densenet121"
        )
    if find_spec(package) is None:
        raise InputError(
            f"the network {package}:{name} needs {package}, which is not installed: pip install "
            f"{package}, for the installed version of torch"
        )
    return importlib.import_module(module)


def _unknown(package: str, name: str, known: Iterable[str]) -> InputError:
    names = list(known)
    close = get_close_matches(name, names) or names[:3]
    return InputError(
        f"{package} has no network {name!r} for classification: use another, such as "
        f"{', '.join(close)}"
    )


def _replace_first_convolution(network: nn.Module, channels: int) -> None:
    name, old = next(
        (name, module) for name, module in network.named_modules() if isinstance(module, nn.Conv2d)
    )
    new = nn.Conv2d(
        channels,
        old.out_channels,
        old.kernel_size,  # type: ignore[arg-type]
        old.stride,  # type: ignore[arg-type]
        old.padding,  # type: ignore[arg-type]
        old.dilation,  # type: ignore[arg-type]
        bias=old.bias is not None,
    )
    parent, _, child = name.rpartition(".")
    setattr(network.get_submodule(parent), child, new)
