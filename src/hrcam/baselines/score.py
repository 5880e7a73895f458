"""Score-CAM: channels weighted by the model's score for the image masked with them."""

from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from torch import nn

from hrcam.baselines.interface import (
    Baseline,
    Classes,
    check_finite,
    explained_classes,
    finite_logits,
    weighted_sum,
)
from hrcam.baselines.level_fusion import normalise
from hrcam.errors import InputError
from hrcam.levels.capture import capture
from hrcam.levels.operators import upsample
from hrcam.model.call import Images, call_model
from hrcam.model.hooks import evaluation_mode
from hrcam.model.tensors import at_least_single, map_tensors


class ScoreCAM(Baseline):
    """Score-CAM (Wang et al., CVPR workshops 2020): ReLU(Σ_k α_k A_k), without gradients.

    α_k = p_c(X ∘ s(U A_k)) − p_c(X_b), the paper's increase of confidence (definition 3): U
    upsamples to the image, s is min-max normalisation, X_b an image of zeros, and p_c the
    softmax score of the class, or the sigmoid for a single logit. The softmax over the channels'
    α in the paper's algorithm 1 is left out: it would make hundreds of α within ±1 nearly equal.

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
        image = self.levels.image_of(images)
        # A constant map becomes a mask of zeros, which gives X_b.
        black = image.new_zeros(len(image), 1, *(1 for _ in self.levels.grid_of(images)))
        unseen = self._confidence(images, chosen, black)
        weighted = []
        for level, activations in zip(self.levels, maps, strict=True):
            check_finite(level, activations)
            confidence = self._confidence(images, chosen, activations)
            weighted.append(weighted_sum(activations, confidence - unseen).relu())
        return weighted

    def _confidence(
        self, images: Images, chosen: torch.Tensor, activations: torch.Tensor
    ) -> torch.Tensor:
        """Return the score of each image's class, masked with each channel, (B, C_l)."""
        number, channels = activations.shape[:2]
        single = activations.flatten(0, 1)
        scores = []
        for start in range(0, len(single), self._batch_size):
            some = at_least_single(single[start : start + self._batch_size, None])
            rows = torch.arange(start, start + len(some), device=chosen.device) // channels
            masks = normalise(upsample(some, self.levels.grid_of(images)))
            scores.append(self._scores(images, rows, masks, chosen))
        return torch.cat(scores).view(number, channels)

    def _scores(
        self, images: Images, rows: torch.Tensor, masks: torch.Tensor, chosen: torch.Tensor
    ) -> torch.Tensor:
        """Return the scores of the images ``rows``, each with its own mask, shape (n,)."""
        image = self.levels.image_of(images)

        def masked(tensor: torch.Tensor) -> torch.Tensor:
            if tensor.ndim == 0 or len(tensor) != len(image):
                return tensor
            if tensor.is_floating_point() and tensor.shape[2:] == image.shape[2:]:
                return tensor[rows] * masks.to(tensor.dtype)
            return tensor[rows]

        with evaluation_mode(self.model):
            output = call_model(self.model, map_tensors(images, masked))
        logits = at_least_single(finite_logits(output, self._output))
        scores = logits.sigmoid() if logits.shape[1] == 1 else logits.softmax(1)
        return scores.gather(1, chosen[rows][:, None])[:, 0]
