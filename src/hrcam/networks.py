"""A small CNN, for cohorts of a few hundred to a few thousand images."""

import torch
from torch import nn

_CONVOLUTION = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
_NORM = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
_POOL = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}


class SmallCNN(nn.Module):
    """Blocks of two convolutions with max pooling in between, global mean, and one linear layer.

    Parameters
    ----------
    dimensions
        Number of spatial axes, 1 to 3.
    in_channels, classes
        Number of image channels, and of logits.
    widths
        Channels of each block. Each block after the first halves the resolution.
    """

    def __init__(
        self,
        dimensions: int,
        in_channels: int,
        classes: int,
        widths: tuple[int, ...] = (16, 32, 64, 96, 128),
    ) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        for index, width in enumerate(widths):
            before = widths[index - 1] if index else in_channels
            layers: list[nn.Module] = [_POOL[dimensions](2)] if index else []
            for channels in (before, width):
                layers += [
                    _CONVOLUTION[dimensions](channels, width, 3, padding=1, bias=False),
                    _NORM[dimensions](width),
                    nn.ReLU(inplace=True),
                ]
            blocks.append(nn.Sequential(*layers))
        self.blocks = nn.Sequential(*blocks)
        self.classifier = nn.Linear(widths[-1], classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits (B, K) for images (B, C, *spatial)."""
        logits: torch.Tensor = self.classifier(self.blocks(images).flatten(2).mean(2))
        return logits
