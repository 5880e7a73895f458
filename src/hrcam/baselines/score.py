"""Score-CAM: channels weighted by the score of the image masked with them, in two variants."""

from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from torch import nn

from hrcam.baselines.interface import (
    Classes,
    LevelMethod,
    check_finite,
    class_logits,
    explained_classes,
    finite_logits,
    upsample_level,
    weighted_sum,
)
from hrcam.baselines.level_fusion import normalise
from hrcam.errors import InputError
from hrcam.levels import Level
from hrcam.levels.capture import capture
from hrcam.model.call import Images, call_model
from hrcam.model.hooks import evaluation_mode
from hrcam.model.tensors import at_least_single, map_tensors


class ScoreCAM(LevelMethod):
    """Score-CAM (Wang et al., CVPR workshops 2020): ReLU(Σ_k α_k A_k), without gradients.

    α_k = p_c(X ∘ s(U A_k)) − p_c(X_b), the paper's increase of confidence (definition 3): U
    upsamples to where the positions lie in the image, s is min-max normalisation, X_b an image of
    zeros, and p_c the softmax score of the class, or the sigmoid for a single logit. The softmax
    over the channels' α in the paper's algorithm 1 is left out: it would make hundreds of α within
    ±1 nearly equal.

    It takes one forward pass per channel of each level, by far the most of all methods here.

    Parameters
    ----------
    model, levels, output
        As in ``Baseline``. If the model takes several tensors, all those on the grid of the image
        are masked.
    batch_size
        Number of masked images that run at once.

    Raises
    ------
    InputError
        If the batch size is not positive.
    """

    name: ClassVar[str] = "Score-CAM"

    def __init__(
        self,
        model: nn.Module,
        levels: Literal["auto"] | Sequence[str] = "auto",
        output: str | int | None = None,
        batch_size: int = 32,
        image: str | int | None = None,
    ) -> None:
        super().__init__(model, levels, output, image)
        if batch_size < 1:
            raise InputError(f"batch_size is {batch_size}: it must be 1 or more")
        self._batch_size = batch_size

    def _level_maps(self, images: Images, classes: Classes) -> list[torch.Tensor]:
        # Copies, since the model may overwrite its maps in place.
        output, maps = capture(self.model, images, self.levels, lambda _, level: level.clone())
        chosen = explained_classes(finite_logits(output, self._output), classes)
        weighted = []
        for level, activations in zip(self.levels, maps, strict=True):
            check_finite(level, activations)
            weights = self._channel_weights(images, chosen, level, activations)
            weighted.append(weighted_sum(activations, weights).relu())
        return weighted

    def _channel_weights(
        self, images: Images, chosen: torch.Tensor, level: Level, activations: torch.Tensor
    ) -> torch.Tensor:
        """Return α, shape (B, C_l)."""
        # A constant map becomes a mask of zeros, which gives X_b.
        black = torch.zeros_like(activations[:, :1])
        unseen = self._masked_scores(images, chosen, level, black)
        return self._masked_scores(images, chosen, level, activations) - unseen

    @staticmethod
    def _score(logits: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
        """Return the score of each image's class, shape (n,)."""
        scores = logits.sigmoid() if logits.shape[1] == 1 else logits.softmax(1)
        return class_logits(scores, classes)

    def _masked_scores(
        self, images: Images, chosen: torch.Tensor, level: Level, activations: torch.Tensor
    ) -> torch.Tensor:
        """Return the score of each image's class, masked with each channel, (B, C_l)."""
        number, channels = activations.shape[:2]
        single = activations.flatten(0, 1)
        scores = []
        for start in range(0, len(single), self._batch_size):
            some = at_least_single(single[start : start + self._batch_size, None])
            rows = torch.arange(start, start + len(some), device=chosen.device) // channels
            masks = normalise(upsample_level(some, level, self.levels.grid_of(images)))
            logits = self._masked_logits(images, rows, masks)
            scores.append(self._score(logits, chosen[rows]))
        return torch.cat(scores).view(number, channels)

    def _masked_logits(
        self, images: Images, rows: torch.Tensor, masks: torch.Tensor
    ) -> torch.Tensor:
        """Return the logits of the images ``rows``, each with its own mask, shape (n, K)."""
        image = self.levels.image_of(images)

        def masked(tensor: torch.Tensor) -> torch.Tensor:
            if tensor.ndim == 0 or len(tensor) != len(image):
                return tensor
            if tensor.is_floating_point() and tensor.shape[2:] == image.shape[2:]:
                return tensor[rows] * masks.to(tensor.dtype)
            return tensor[rows]

        with evaluation_mode(self.model):
            output = call_model(self.model, map_tensors(images, masked))
        return at_least_single(finite_logits(output, self._output))


class SoftmaxScoreCAM(ScoreCAM):
    """Score-CAM as in pytorch-grad-cam: α = softmax over the channels of logit_c(X ∘ s(U A_k)).

    All weights are positive and sum to 1, and nothing is subtracted for the black image. It differs
    from pytorch-grad-cam in U, which there places the corners of a level in those of the image.

    Parameters
    ----------
    model, levels, output, batch_size
        As in ``ScoreCAM``.
    """

    name: ClassVar[str] = "Score-CAM (pytorch-grad-cam)"

    def _channel_weights(
        self, images: Images, chosen: torch.Tensor, level: Level, activations: torch.Tensor
    ) -> torch.Tensor:
        return self._masked_scores(images, chosen, level, activations).softmax(1)

    @staticmethod
    def _score(logits: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
        return class_logits(logits, classes)
