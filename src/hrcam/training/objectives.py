"""What a training minimises: the losses of a batch."""

from abc import ABC, abstractmethod
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from hrcam.training.plan import Balance

# For small cohorts, with noisy labels and gradients.
_SMOOTHING = 0.1


class Objective(nn.Module, ABC):
    """Loss of the outputs of a network, (B, K), against what it is to learn, (B,)."""

    @abstractmethod
    def forward(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the loss that is minimised."""

    def chances(self, targets: torch.Tensor) -> NDArray[np.float64] | None:
        """Return the relative chance of each training image to be drawn; None for equal ones."""
        del targets
        return None

    @abstractmethod
    def validation(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the loss that tells when to stop."""


class WeightedCrossEntropy(Objective):
    """Cross-entropy in which all classes count alike, with smoothed labels.

    Class weights count in the training loss where the balance is "loss", and in the validation
    loss in any case, whose images are not drawn by class.

    Parameters
    ----------
    class_weights
        Of the images of each class, shape (K,).
    balance
        Whether images of rare classes have a larger weight in the loss, or are drawn more often.
    """

    class_weights: torch.Tensor

    def __init__(self, class_weights: torch.Tensor, balance: Balance = "loss") -> None:
        super().__init__()
        self.register_buffer("class_weights", class_weights)
        self._balance = balance

    @classmethod
    def of(cls, labels: torch.Tensor, balance: Balance = "loss") -> Self:
        """Return the loss for training images with these class indices, shape (N,)."""
        frequencies = torch.bincount(labels).float()
        return cls(len(labels) / (len(frequencies) * frequencies.clamp_min(1)), balance)

    def chances(self, targets: torch.Tensor) -> NDArray[np.float64] | None:
        """Return the weight of the class of each image, where images are drawn by class."""
        drawn = self._balance == "sampling"
        return self.class_weights[targets].double().numpy() if drawn else None

    def forward(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the mean over the images, with smoothed labels."""
        weight = self.class_weights if self._balance == "loss" else None
        return functional.cross_entropy(outputs, targets, weight=weight, label_smoothing=_SMOOTHING)

    def validation(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the mean over the images of the weighted losses, without smoothing."""
        losses = functional.cross_entropy(outputs, targets, reduction="none")
        return (losses * self.class_weights[targets]).mean()


class SquaredError(Objective):
    """Mean squared error of one output."""

    def forward(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the mean over the images."""
        return functional.mse_loss(outputs[:, 0].float(), targets)

    def validation(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the same."""
        loss: torch.Tensor = self(outputs, targets)
        return loss
