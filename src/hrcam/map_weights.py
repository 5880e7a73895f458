"""What each level's feature map is contracted with, for every kind of map and class."""

from collections.abc import Sequence

import numpy as np
import torch

from hrcam.covariance import References
from hrcam.head import Head
from hrcam.levels import Level
from hrcam.sensitivity import Sensitivity

EVIDENCE, PATTERN = 0, 1


def sensitivity_channels(levels: int) -> slice:
    """Return where the sensitivities of so many levels are; the resampled patterns follow."""
    return slice(PATTERN + 1, PATTERN + 1 + levels)


class MapWeights:
    """The head's vectors in units of the raw feature map, level by level.

    Each class has 2 + L + R output channels: its evidence w / σ, its pattern a against its
    reference, the sensitivities of the L levels, and the R resampled patterns. The centring by μ
    becomes an offset per channel, −Σ_k v_k μ_k. The sensitivities are the same for all classes, and
    each level has the same part of their offsets.

    a = r |r| σ: a feature counts by how much it varies, and of that only by the share r² that goes
    with the class. One that hardly varies between images is no better witness for being rare, and
    many that hardly go with the class do not outvote the few that do.
    """

    def __init__(
        self,
        head: Head,
        levels: Sequence[Level],
        references: References,
        sensitivity: Sensitivity | None = None,
    ) -> None:
        sensitivity = sensitivity or Sensitivity.everywhere(len(levels), len(head.mean))
        covariances = (head.covariance, *head.resampled)
        correlations = [covariance.pattern(references) for covariance in covariances]
        patterns = [one * np.abs(one) * head.scale for one in correlations]
        evidence = head.weights / head.scale
        sensitive = [np.broadcast_to(one, evidence.shape) for one in sensitivity.weights]
        raw = np.stack([evidence, patterns[0], *sensitive, *patterns[1:]], axis=1)
        ends = np.cumsum([level.channels for level in levels])[:-1]
        parts = np.split(raw, ends, axis=-1)
        means = np.split(head.mean, ends)
        self.classes, self.channels = raw.shape[:2]
        self._weights = [torch.from_numpy(part.astype(np.float32)) for part in parts]
        self._offsets = []
        for part, mean in zip(parts, means, strict=True):
            offset = -(part @ mean)
            offset[:, sensitivity_channels(len(levels))] = sensitivity.offsets / len(levels)
            self._offsets.append(torch.from_numpy(offset.astype(np.float32)))

    def to(self, device: torch.device) -> None:
        """Move everything to a device."""
        self._weights = [weights.to(device) for weights in self._weights]
        self._offsets = [offsets.to(device) for offsets in self._offsets]

    def of(
        self, level: int, classes: torch.Tensor | None, channels: slice
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return weights and offset to contract one level with.

        Parameters
        ----------
        level
            Its index.
        classes
            Each image's class or classes, shape (B, M); None for all classes of every image.
        channels
            Which output channels of each class.

        Returns
        -------
        Weights (B, M · J, C_l) and offset (B, M · J); for all classes without the first axis.
        """
        weights, offsets = self._weights[level][:, channels], self._offsets[level][:, channels]
        if classes is None:
            return weights.flatten(0, 1), offsets.flatten()
        return weights[classes].flatten(1, 2), offsets[classes].flatten(1)
