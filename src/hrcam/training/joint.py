"""A CNN and its HR-CAM head as one network, trained with a loss per level."""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from hrcam.levels import Levels
from hrcam.levels.capture import reading
from hrcam.levels.operators import pool


class JointNetwork(nn.Module):
    """A CNN whose logits are a linear head over all its levels, instead of its last layer.

    The standardised pooled features of each level give logits; their weighted sum is the logit of
    the network. The logit is linear in all pooled features, as that of HR-CAM, so its evidence is
    exact. A loss per level (deep supervision; Lee et al., AISTATS 2015) makes each resolution
    discriminative.

    Parameters
    ----------
    network
        A CNN; its own logits are not used.
    levels
        Its levels, from `hrcam.find_levels`.
    classes
        Number of logits.
    """

    def __init__(self, network: nn.Module, levels: Levels, classes: int) -> None:
        super().__init__()
        self.network = network
        self._levels = list(levels)
        self.norms = nn.ModuleList(nn.BatchNorm1d(level.channels) for level in levels)
        self.heads = nn.ModuleList(nn.Linear(level.channels, classes) for level in levels)
        self.level_scores = nn.Parameter(torch.zeros(len(levels)))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits (B, K) for images (B, C, *spatial)."""
        return self._sum(self.level_logits(images))

    def level_logits(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits of every level, shape (L, B, K)."""
        pooled: dict[int, torch.Tensor] = {}
        grid = tuple(images.shape[2:])

        def read(index: int, feature_map: torch.Tensor) -> None:
            pooled[index] = pool(feature_map, grid)

        with reading(self.network, self._levels, read):
            self.network(images)
        return torch.stack(
            [
                head(norm(pooled[index]))
                for index, (norm, head) in enumerate(zip(self.norms, self.heads, strict=True))
            ]
        )

    def loss(
        self, images: torch.Tensor, criterion: Callable[[torch.Tensor], torch.Tensor]
    ) -> torch.Tensor:
        """Return the loss of the summed logits plus the mean of the losses of the levels."""
        levels = self.level_logits(images)
        return criterion(self._sum(levels)) + torch.stack([criterion(one) for one in levels]).mean()

    def _sum(self, levels: torch.Tensor) -> torch.Tensor:
        shares = functional.softmax(self.level_scores, 0)
        return torch.einsum("l,lbk->bk", shares, levels)
