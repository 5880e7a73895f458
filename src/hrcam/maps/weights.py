"""The vectors that each level's feature map is contracted with, by class and kind of map."""

from collections.abc import Sequence

import numpy as np
import torch

from hrcam.head.covariance import References
from hrcam.head.fit import Head
from hrcam.head.linear_models import Array
from hrcam.levels import Level
from hrcam.maps.deviation import ReferenceMoments
from hrcam.maps.sensitivity import Sensitivity

EVIDENCE, PATTERN, RESAMPLED = 0, 1, 2


class MapWeights:
    """Weights and offsets of the contraction, level by level, for the raw feature maps.

    Each class has 2 + R output channels: the evidence w / σ, the pattern a against the reference,
    and the R resampled patterns. Centring by μ becomes an offset per channel, −Σ_k v_k μ_k. The
    readouts of the sensitivity are shared by all classes; their offsets are divided equally among
    the levels.

    The pattern channels are standardised: (Σ_k a_k f_k − mean) / std, with the moments on reference
    images. A pattern that does not vary there is 0.

    a = r |r| σ: a feature counts by its standard deviation σ times the share r² of its variance
    that the class explains. So features that hardly vary get no extra weight, and many weakly
    correlated features do not dominate the few correlated ones.
    """

    def __init__(
        self,
        head: Head,
        levels: Sequence[Level],
        references: References,
        moments: ReferenceMoments | None = None,
        sensitivity: Sensitivity | None = None,
    ) -> None:
        sensitivity = sensitivity or Sensitivity.uniform(len(levels), len(head.mean))
        covariances = (head.covariance, *head.resampled)
        correlations = [covariance.pattern(references) for covariance in covariances]
        patterns = [one * np.abs(one) * head.scale for one in correlations]
        evidence = head.weights / head.scale
        raw = np.stack([evidence, *patterns], axis=1)
        ends = np.cumsum([level.channels for level in levels])[:-1]
        parts = np.split(raw, ends, axis=-1)
        means = np.split(head.mean, ends)
        self.classes, self.channels = raw.shape[:2]
        offsets = [-(part @ mean) for part, mean in zip(parts, means, strict=True)]
        if moments is not None:
            for level, (part, offset) in enumerate(zip(parts, offsets, strict=True)):
                precision = moments.precision[:, level, None]
                offset[:, PATTERN:] -= moments.mean[:, level, None]
                offset[:, PATTERN:] *= precision
                part[:, PATTERN:] *= precision[..., None]
        self._weights = [_single(part) for part in parts]
        self._offsets = [_single(offset) for offset in offsets]
        self._readouts = [_single(part) for part in np.split(sensitivity.weights, ends, axis=-1)]
        self._readout_offset = _single(sensitivity.offsets / len(levels))
        self._head = [torch.from_numpy(one) for one in (head.mean, head.weights / head.scale)]
        self._bias = _single(head.bias)

    def to(self, device: torch.device) -> None:
        """Move everything to a device."""
        # Not every device has double precision.
        kind = torch.float32 if device.type == "mps" else torch.float64
        self._head = [one.to(device, kind) for one in self._head]
        self._bias = self._bias.to(device)
        self._weights = [weights.to(device) for weights in self._weights]
        self._offsets = [offsets.to(device) for offsets in self._offsets]
        self._readouts = [readouts.to(device) for readouts in self._readouts]
        self._readout_offset = self._readout_offset.to(device)

    def of(
        self, level: int, classes: torch.Tensor | None, channels: slice
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return weights and offset for the contraction of one level.

        Parameters
        ----------
        level
            Index of the level.
        classes
            M classes of each image, shape (B, M); None for all classes of every image.
        channels
            Output channels of each class.

        Returns
        -------
        Weights (B, M · J, C_l) and offset (B, M · J); for all classes without the first axis.
        """
        weights, offsets = self._weights[level][:, channels], self._offsets[level][:, channels]
        if classes is None:
            return weights.flatten(0, 1), offsets.flatten()
        return weights[classes].flatten(1, 2), offsets[classes].flatten(1)

    def logits(self, pooled: torch.Tensor) -> torch.Tensor:
        """Return the head's logits (B, K), in single precision, of pooled features (B, D)."""
        mean, weights = self._head
        return ((pooled.to(mean) - mean) @ weights.T).float() + self._bias

    def bias(self, classes: torch.Tensor) -> torch.Tensor:
        """Return the head's bias for each class."""
        return self._bias[classes]

    def readouts(self, level: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return one level's weights (L, C_l) and offsets (L,) of the sensitivity's readouts."""
        return self._readouts[level], self._readout_offset


def _single(array: Array) -> torch.Tensor:
    return torch.from_numpy(array.astype(np.float32))
