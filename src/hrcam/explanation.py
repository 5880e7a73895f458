"""Explanation: the maps of a batch of images."""

from dataclasses import dataclass

import torch

from hrcam.levels.operators import upsample


@dataclass(frozen=True)
class Logits:
    """What ``HRCAM.logits`` returns, for B images and K classes.

    Attributes
    ----------
    head
        The head's logits, shape (B, K).
    model
        The model's own outputs, (B, K), if the head was fitted to them; else None.
    distance
        As in `Explanation`.
    """

    head: torch.Tensor
    model: torch.Tensor | None
    distance: torch.Tensor | None


@dataclass(frozen=True)
class Explanation:
    """What ``HRCAM.explain`` returns, for B images and K classes.

    Attributes
    ----------
    logits
        The head's logits, shape (B, K), centred over the classes if ``fit`` had ``centre=True``.
    model_logits
        The model's own outputs, (B, K), if the head was fitted to them; else None.
    classes
        The class that each map explains, shape (B,).
    bias
        The head's bias for that class, shape (B,).
    evidence
        The contribution of each position to the decision, in logit units, signed, shape
        (B, *spatial). Its mean over the image plus ``bias`` is the logit of the class.
    pattern
        The map for localisation, shape (B, *spatial): where the image deviates from images of
        the reference class, in features that go with the class. Its size is the root of the
        deviation, in standard deviations on the reference images, times how much the decision
        depends on the position; a positive sign speaks for the class, a negative one against it.
        It is refined by edge-aware smoothing along the image, as by `hrcam.refine`.
    pattern_as_read
        ``pattern`` as read from the network, before refinement, (B, *spatial).
    std
        Upper bound of the standard deviation of ``pattern`` over resampled images or groups,
        (B, *spatial), if ``fit`` had a bootstrap; else None. The moments on reference
        images and the sensitivity are held fixed.
    level_evidence
        Each level's share of the evidence at its own resolution, (B, *S_l).
    distance
        How far each image lies from the images of ``fit``, shape (B,): the Mahalanobis distance of
        its pooled features of all levels. None if the explainer was saved by a version of hrcam
        that did not measure it.
    """

    logits: torch.Tensor
    model_logits: torch.Tensor | None
    classes: torch.Tensor
    bias: torch.Tensor
    evidence: torch.Tensor
    pattern: torch.Tensor
    pattern_as_read: torch.Tensor
    std: torch.Tensor | None
    level_evidence: dict[str, torch.Tensor]
    distance: torch.Tensor | None

    @property
    def predictor_logits(self) -> torch.Tensor:
        """The logits that the maps explain, (B, K): the model's, or those of a head on labels."""
        return self.logits if self.model_logits is None else self.model_logits

    @property
    def by_level(self) -> dict[str, torch.Tensor]:
        """Each level's share of the evidence, (B, *spatial); they sum to ``evidence``."""
        grid = tuple(self.evidence.shape[1:])
        return {
            name: upsample(share[:, None], grid)[:, 0]
            for name, share in self.level_evidence.items()
        }
