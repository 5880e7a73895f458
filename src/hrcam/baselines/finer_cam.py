"""Finer-CAM: Grad-CAM of the difference between a class and those that are most like it."""

from typing import ClassVar

import torch

from hrcam.baselines.gradient_methods import GradCAM
from hrcam.baselines.interface import class_logits

_COMPARED = 3
_STRENGTH = 1.0


class FinerCAM(GradCAM):
    """Finer-CAM (Zhang et al., CVPR 2025): Grad-CAM of what tells a class from similar ones."""

    name: ClassVar[str] = "Finer-CAM"

    @staticmethod
    def score(logits: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
        """Return Σ_d p_d (y_c − α y_d) / Σ_d p_d over the classes d most similar to c.

        y are the logits and p = softmax(y). As in the authors' implementation α = 1, the classes d
        are the three whose logits are nearest to y_c (all others, if there are fewer), and p is
        differentiated as well. A single logit has nothing to be compared with, and is the score.

        Parameters
        ----------
        logits
            y, shape (B, K).
        classes
            c, shape (B,), on the same device.

        Returns
        -------
        Tensor of shape (B,), in logit units.
        """
        own = class_logits(logits, classes)
        compared = min(_COMPARED, logits.shape[1] - 1)
        if compared == 0:
            return own
        distance = (logits.detach() - own.detach()[:, None]).abs()
        distance.scatter_(1, classes[:, None], torch.inf)
        similar = distance.argsort(stable=True, dim=1)[:, :compared]
        others = logits.gather(1, similar)
        # The ratio of softmax probabilities to their sum is a softmax over these classes.
        return (others.softmax(1) * (own[:, None] - _STRENGTH * others)).sum(1)
