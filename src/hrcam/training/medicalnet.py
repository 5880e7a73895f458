"""3D ResNets in the form of MedicalNet, whose published weights fit them (Chen et al., 2019)."""

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from hrcam.errors import InputError

MEDICALNET = (10, 18, 34, 50)
"""Depths, as in the names of the networks."""
# Shortcuts of these add channels of zeros, those of the others are convolutions.
_PADDED = (18, 34)


class PaddedShortcut(nn.Module):
    """A shortcut without weights: every second position, and channels of zeros for those to come.

    Parameters
    ----------
    channels
        Number of channels afterwards.
    stride
        Step between positions.
    """

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self._channels, self._stride = channels, stride

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return maps (B, channels, *smaller) for maps (B, C, *spatial)."""
        axes = images.ndim - 2
        taken = images[(slice(None), slice(None), *[slice(None, None, self._stride)] * axes)]
        return functional.pad(taken, (0, 0) * axes + (0, self._channels - taken.shape[1]))


def medicalnet_resnet(depth: int, shape: tuple[int, ...], channels: int, classes: int) -> nn.Module:
    """Build a ResNet with random weights, with names and shapes as in MedicalNet's files.

    MedicalNet's last two stages are dilated for segmentation; here, as in MONAI, they halve the
    resolution.

    Raises
    ------
    InputError
        If the grid is not a volume.
    """
    from monai.networks import nets

    if len(shape) != 3:
        raise InputError(
            f"medicalnet-resnet{depth} is for volumes, and the grid is of pictures: use "
            f"resnet{depth}, or torchvision:resnet{max(depth, 18)}"
        )
    build: Any = getattr(nets, f"resnet{depth}")
    network: nn.Module = build(
        spatial_dims=3,
        n_input_channels=channels,
        num_classes=classes,
        conv1_t_stride=2,
        shortcut_type="A" if depth in _PADDED else "B",
        bias_downsample=False,
    )
    if depth in _PADDED:
        # MONAI's own such shortcuts pass no gradients.
        for stage in (2, 3, 4):
            block = network.get_submodule(f"layer{stage}.0")
            block.downsample = PaddedShortcut(64 * 2 ** (stage - 1), stride=2)
    return network
