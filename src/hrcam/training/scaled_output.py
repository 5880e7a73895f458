"""A network whose standardised output is brought to the units of what it predicts."""

import torch
from torch import nn


class ScaledOutput(nn.Module):
    """A network with ``mean + scale * output`` as its output.

    Networks learn a value standardised. Its units are put back here, so that predictions, evidence
    and bias are in them, and the identity of evidence and prediction holds in them.

    Parameters
    ----------
    network
        From images to one output.
    mean, scale
        Of the values of the training images.
    """

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(self, network: nn.Module, mean: float = 0.0, scale: float = 1.0) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(mean))
        self.register_buffer("scale", torch.tensor(scale))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return values (B, 1) for images (B, C, *spatial)."""
        output: torch.Tensor = self.network(images)
        return self.mean + self.scale * output
