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
    """Loss of the outputs of a network, (B, K), against what it is to learn, (B,) or (B, K)."""

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


class MaskedBinaryCrossEntropy(Objective):
    """Binary cross-entropy of several labels, over those that are known, with smoothed answers.

    Images with a label and images without it count alike, for each label, in both losses.

    Parameters
    ----------
    answer_weights
        Of the images without each label, and of those with it, shape (2, K).
    """

    answer_weights: torch.Tensor

    def __init__(self, answer_weights: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("answer_weights", answer_weights)

    @classmethod
    def of(cls, answers: torch.Tensor) -> Self:
        """Return the loss for training images with these answers, (N, K): 0, 1 or NaN."""
        counts = torch.stack([(answers == value).sum(0) for value in (0, 1)]).float()
        return cls(counts.sum(0) / (2 * counts.clamp_min(1)))

    def forward(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the mean over the known answers, with smoothed answers."""
        return self._mean(outputs, targets, _SMOOTHING)

    def validation(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the mean over the known answers, without smoothing."""
        return self._mean(outputs, targets, 0.0)

    def _mean(self, outputs: torch.Tensor, targets: torch.Tensor, smoothing: float) -> torch.Tensor:
        known = ~targets.isnan()
        answers = targets.nan_to_num()
        losses = functional.binary_cross_entropy_with_logits(
            outputs.float(), answers * (1 - smoothing) + smoothing / 2, reduction="none"
        )
        weights = known * torch.where(answers > 0, self.answer_weights[1], self.answer_weights[0])
        return (losses * weights).sum() / known.sum().clamp_min(1)


class SquaredError(Objective):
    """Mean squared error of one output."""

    def forward(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the mean over the images."""
        return functional.mse_loss(outputs[:, 0].float(), targets)

    def validation(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the same."""
        loss: torch.Tensor = self(outputs, targets)
        return loss
