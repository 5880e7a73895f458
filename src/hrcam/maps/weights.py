"""What each level's feature map is contracted with, for every kind of map and class."""

from collections.abc import Sequence

import numpy as np
import torch

from hrcam.head.covariance import References
from hrcam.head.fit import Head
from hrcam.head.linear_models import Array
from hrcam.levels import Level
from hrcam.maps.sensitivity import Sensitivity

EVIDENCE, PATTERN, RESAMPLED = 0, 1, 2


class MapWeights:
    """The head's vectors in units of the raw feature map, level by level.

    Each class has 2 + R output channels: its evidence w / σ, its pattern a against its reference,
    and the R resampled patterns. The centring by μ becomes an offset per channel, −Σ_k v_k μ_k.
    Further there are the readouts of the sensitivity, which are the same for all classes; of
    their offsets each level has the same part.

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
        raw = np.stack([evidence, *patterns], axis=1)
        ends = np.cumsum([level.channels for level in levels])[:-1]
        parts = np.split(raw, ends, axis=-1)
        means = np.split(head.mean, ends)
        self.classes, self.channels = raw.shape[:2]
        self._weights = [_single(part) for part in parts]
        self._offsets = [_single(-(part @ mean)) for part, mean in zip(parts, means, strict=True)]
        self._readouts = [_single(part) for part in np.split(sensitivity.weights, ends, axis=-1)]
        self._readout_offset = _single(sensitivity.offsets / len(levels))

    def to(self, device: torch.device) -> None:
        """Move everything to a device."""
        self._weights = [weights.to(device) for weights in self._weights]
        self._offsets = [offsets.to(device) for offsets in self._offsets]
        self._readouts = [readouts.to(device) for readouts in self._readouts]
        self._readout_offset = self._readout_offset.to(device)

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

    def readouts(self, level: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return one level's part of the L readouts of the sensitivity, (L, C_l) and (L,)."""
        return self._readouts[level], self._readout_offset


def _single(array: Array) -> torch.Tensor:
    return torch.from_numpy(array.astype(np.float32))
