"""Explanation: the maps of a batch, and what they add up to."""

from dataclasses import dataclass

import torch

from hrcam.levels.operators import upsample


@dataclass(frozen=True)
class Explanation:
    """What ``HRCAM.explain`` returns, for B images and K classes.

    Attributes
    ----------
    logits
        The head's logits, shape (B, K), centred over the classes unless ``fit`` was told not to.
    model_logits
        The model's own outputs as they are, (B, K), where the head was fitted to them; else None.
    classes
        The class that each map explains, shape (B,).
    bias
        The head's bias for that class, shape (B,).
    evidence
        What the decision is made of, in logit units, signed, shape (B, *spatial); its mean over
        the image plus ``bias`` is the logit of the class.
    pattern
        Where the image is unlike images of the class that it is compared with, in what tells the
        two apart, shape (B, *spatial): the map to look at for localisation. Its size says where,
        in standard deviations of those images, at the same place and anywhere, and less where the
        decision depends less on the image; its sign says whether that speaks for the class or
        against it. It is spread along the image, between places that look alike.
    fused
        ``pattern`` before it was spread: what the network alone says, (B, *spatial).
    std
        Standard deviation of ``pattern`` over resampled images, or subjects, (B, *spatial), where
        ``fit`` was asked for a bootstrap, or rather an upper bound of it; else None. The fusion
        of levels, and what classes are compared with, are held fixed.
    level_evidence
        Each level's share of the evidence at its own resolution, (B, *S_l).
    """

    logits: torch.Tensor
    model_logits: torch.Tensor | None
    classes: torch.Tensor
    bias: torch.Tensor
    evidence: torch.Tensor
    pattern: torch.Tensor
    fused: torch.Tensor
    std: torch.Tensor | None
    level_evidence: dict[str, torch.Tensor]

    @property
    def by_level(self) -> dict[str, torch.Tensor]:
        """Each level's share of the evidence, (B, *spatial); they sum to ``evidence``."""
        grid = tuple(self.evidence.shape[1:])
        return {
            name: upsample(share[:, None], grid)[:, 0]
            for name, share in self.level_evidence.items()
        }
