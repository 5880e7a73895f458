"""Networks by name: a small CNN, those of MONAI, of other libraries, and the user's own."""

from collections.abc import Callable
from typing import Any

from torch import nn

from hrcam.errors import InputError
from hrcam.networks import SmallCNN
from hrcam.training.library_networks import LIBRARIES
from hrcam.training.medicalnet import MEDICALNET, medicalnet_resnet
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


def _medicalnet(depth: int) -> Builder:
    return lambda shape, channels, classes: medicalnet_resnet(depth, shape, channels, classes)


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
    **{f"medicalnet-resnet{depth}": _medicalnet(depth) for depth in MEDICALNET},
}
"""Builders by name: from (shape of the grid, channels of the image, classes) to a network."""


def build_network(name: str, shape: tuple[int, ...], channels: int, classes: int) -> nn.Module:
    """Build a network with random weights.

    Parameters
    ----------
    name
        A key of `NETWORKS`, ``torchvision:NAME``, ``timm:NAME``, or ``package.module:function``
        for a function as in `hrcam.training.network_factory`.
    shape, channels, classes
        Shape of the grid, with 2 or 3 axes; number of image channels; number of logits.

    Raises
    ------
    InputError
        If there is no such network, or its library is not installed.
    """
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
