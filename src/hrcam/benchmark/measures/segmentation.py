"""A small U-Net, trained to segment the pathology by masks."""

import logging
from math import ceil, log

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from hrcam.errors import InputError

logger = logging.getLogger(__name__)

STEPS = 1500
"""Number of optimiser steps, if the number of epochs is not given."""

# Channels at each resolution, and of the output block.
_FEATURES = {2: (16, 16, 32, 64, 128, 16), 3: (8, 8, 16, 32, 64, 8)}
_LAYOUT = {2: torch.channels_last, 3: torch.channels_last_3d}
_BATCH = {2: 8, 3: 2}
_LEARNING_RATE = 5e-3
# Four strides of 2 need this many voxels along each axis.
_SMALLEST = 16


def train_unet(
    images: torch.Tensor,
    masks: torch.Tensor,
    *,
    epochs: int | None = None,
    seed: int = 0,
    device: torch.device | None = None,
) -> nn.Module:
    """Train a U-Net from random weights, on mirrored images, with cross-entropy and Dice loss.

    Half of the images of each batch have a lesion.

    Parameters
    ----------
    images
        Shape (N, C, *grid).
    masks
        Masks of the pathology, bool, shape (N, *grid); all False if there is none.
    epochs
        Training epochs; None for `STEPS` steps.
    seed
        Random seed.
    device
        Device; None for the CPU.

    Returns
    -------
    From images (B, C, *grid) to logits (B, *grid), in evaluation mode, on the device.

    Raises
    ------
    InputError
        If all masks are empty.
    """
    from monai.losses.dice import DiceLoss

    if not masks.any():
        raise InputError(
            "there is no voxel with pathology to train on: the masks are empty, or too small for "
            "the network's grid; train with a finer one (shape, spacing)"
        )
    device = device or torch.device("cpu")
    dimensions = images.ndim - 2
    size = min(_BATCH[dimensions], len(images))
    steps = STEPS if epochs is None else epochs * ceil(len(images) / size)
    generator = np.random.default_rng(seed)
    share = min(float(masks.float().mean()), 0.99)
    network = _UNet(dimensions, images.shape[1], share, seed).to(device)
    # Up to twice as fast on a CPU.
    network.to(memory_format=_LAYOUT[dimensions])  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(network.parameters(), lr=_LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _LEARNING_RATE, total_steps=steps)
    # One Dice loss for the whole batch, because it is not informative without a lesion.
    overlap = DiceLoss(sigmoid=True, batch=True)
    ill = torch.nonzero(masks.flatten(1).any(1))[:, 0].numpy()
    for _ in range(steps):
        drawn = [*generator.choice(ill, (size + 1) // 2), *generator.choice(len(images), size // 2)]
        batch = torch.tensor(drawn)
        mirrored = [axis for axis in range(1, dimensions + 1) if generator.random() < 0.5]
        inputs = images[batch].flip([axis + 1 for axis in mirrored]).to(device)
        targets = masks[batch].flip(mirrored).to(device, torch.float32)
        logits = network(inputs)
        loss = functional.binary_cross_entropy_with_logits(logits, targets)
        loss = loss + overlap(logits[:, None], targets[:, None])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    logger.info("trained a U-Net on %d images, %d steps", len(images), steps)
    return network.eval()


@torch.no_grad()
def unet_logits(network: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Return the logits (B, *grid) of images (B, C, *grid), on the CPU."""
    logits: torch.Tensor = network(images.to(next(network.parameters()).device))
    return logits.cpu()


class _UNet(nn.Module):
    """MONAI's U-Net, for images of any size, with one logit per voxel."""

    def __init__(self, dimensions: int, channels: int, share: float, seed: int) -> None:
        from monai.networks.nets.basic_unet import BasicUNet

        super().__init__()
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            torch.manual_seed(seed)
            self.network = BasicUNet(
                dimensions,
                channels,
                1,
                _FEATURES[dimensions],
                # Defined for small batches and for coarse maps of one voxel.
                norm=("group", {"num_groups": 8}),
            )
        # Start from the prevalence of lesion voxels; otherwise hundreds of steps are needed to
        # learn that lesions are rare.
        nn.init.constant_(self.network.final_conv.bias, log(share / (1 - share)))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        grid = images.shape[2:]
        missing = [max(0, _SMALLEST - size) for size in reversed(grid)]
        padding = [part for length in missing for part in (0, length)]
        padded = functional.pad(images, padding, mode="replicate") if any(missing) else images
        logits: torch.Tensor = self.network(padded)[:, 0]
        return logits[(slice(None), *(slice(size) for size in grid))]
