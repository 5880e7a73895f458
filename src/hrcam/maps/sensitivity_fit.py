"""Learn to predict the size of the decision's gradient from the feature maps.

The gradient tells where the decision depends on the image, but it takes a backward pass and is
noisy from position to position. A linear prediction of its size from the features is smooth, and
``explain`` needs a forward pass only.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from hrcam.errors import GradientError, HRCAMWarning
from hrcam.head.covariance import References, contrasts
from hrcam.head.fit import Head, centred_over_classes
from hrcam.head.linear_models import Array
from hrcam.levels.capture import capture
from hrcam.levels.geometry import FeatureGrid
from hrcam.levels.gradients import level_gradients
from hrcam.levels.operators import contract, pool, upsample_at
from hrcam.maps.level_sum import sum_levels
from hrcam.maps.sensitivity import Sensitivity, largest_readout
from hrcam.maps.training_passes import BACKWARD_BATCH, SelectedBatch, TrainingPasses
from hrcam.maps.weights import MapWeights
from hrcam.model.call import logits_of

# Number of images whose gradients are taken, divided equally among the classes.
_IMAGES = 128
# One in this many of them is used to measure the mean peak of the sensitivity.
_PEAK_STEP = 4
# Positions sampled in each image, on a grid of rows drawn along each axis.
_POSITIONS = 1024
# L2 penalty, as a share of each feature's variance over positions.
_PENALTY = 1e-3
# As a share of the largest level's gradient: smaller gradients are rounding errors.
_ROUNDING = 1e-5
# Loss scales, tried in turn: half-precision gradients of a mean underflow without one, and others
# overflow with one.
_SCALES = (4096.0, 1.0)


def learn_sensitivity(
    passes: TrainingPasses,
    head: Head,
    references: References,
    centre: bool,
    generator: np.random.Generator,
) -> Sensitivity:
    """Regress the size of the gradient on the feature maps, over positions and training images.

    The target is n_j(p) = V_j Σ_k |∂y / ∂f_jk|(p) for each level j, in units of its mean over
    positions and images. y is the logit of the image's class minus that of its reference, or the
    logit alone for `hrcam.head.covariance.ALL_OTHERS`, centred over the classes if they compete.
    The fit is least squares with a small L2 penalty, at positions drawn for each image.

    Parameters
    ----------
    passes
        Passes over the training images.
    head
        The fitted head. With ``target="labels"`` the logits are the head's, else the model's.
    references
        The class that each class is compared with, shape (K,).
    centre
        Whether the logits compete: as for ``fit``.
    generator
        Draws the images and positions.

    Warns
    -----
    HRCAMWarning
        If the model has no gradient. The sensitivity is then 1 everywhere.
    """
    contrast = contrasts(references)
    decisions = _Decisions(passes, head, centred_over_classes(contrast) if centre else contrast)
    moments = _Moments(len(head.mean), np.array([np.prod(one.size) for one in passes.levels]))
    indices = passes.draw(_IMAGES, generator)
    try:
        for batch in passes.selected_batches(indices, "gradients", BACKWARD_BATCH):
            for features, sizes in decisions.at_positions(batch, generator):
                moments.add(features, sizes)
        found = moments.solve(head.mean)
    except GradientError as error:
        warnings.warn(
            HRCAMWarning(
                f"{error}: the pattern is made without the sensitivity, and localises less well"
            ),
            stacklevel=3,
        )
        return Sensitivity.uniform(len(passes.levels), len(head.mean))
    weights = MapWeights(head, passes.levels, references, sensitivity=found)
    peak = _mean_peak(passes, weights, indices[::_PEAK_STEP])
    return Sensitivity(found.weights / peak, found.offsets / peak)


@dataclass(frozen=True)
class _Decisions:
    """The decision y of each image, and the size of its gradients.

    Attributes
    ----------
    passes, head
        As for ``learn_sensitivity``.
    contrast
        y of each class as a linear combination of the logits, (K, K).
    """

    passes: TrainingPasses
    head: Head
    contrast: Array

    def at_positions(
        self, batch: SelectedBatch, generator: np.random.Generator
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield each image's centred features (P, D) and gradient sizes (P, L) at P positions."""
        mapped = self.passes.levels.image_of(batch.images)
        grid, device = tuple(mapped.shape[2:]), mapped.device
        along = round(_POSITIONS ** (1 / len(grid)))
        features, sizes = self._level_sizes(batch)
        feature_grids = [
            level.feature_grid_on(one.shape[2:], grid)
            for level, one in zip(self.passes.levels, features, strict=True)
        ]
        mean = torch.from_numpy(self.head.mean).to(features[0])
        for image in range(batch.count):
            rows = [
                torch.from_numpy(np.sort(generator.permutation(size)[:along])).to(device)
                for size in grid
            ]
            here = slice(image, image + 1)
            yield (
                _sampled([one[here] for one in features], grid, rows, feature_grids) - mean,
                _sampled([one[here] for one in sizes], grid, rows, feature_grids),
            )

    def _level_sizes(self, batch: SelectedBatch) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """Return each level's feature map, and the size of its gradient, (B, 1, *S_l)."""
        for scale in _SCALES:
            score = partial(self._sum, batch, scale)
            found = level_gradients(self.passes.model, batch.images, self.passes.levels, score)
            sizes = [
                torch.zeros_like(feature_map[:, :1])
                if gradient is None
                else gradient.abs().sum(1, keepdim=True) / scale
                for feature_map, gradient in found
            ]
            if all(bool(torch.isfinite(size).all()) for size in sizes):
                return [feature_map for feature_map, _ in found], sizes
        raise GradientError("the gradient of the logits holds NaN or infinite values")

    def _sum(
        self, batch: SelectedBatch, scale: float, output: Any, maps: list[torch.Tensor]
    ) -> torch.Tensor:
        """Return the sum of y over the images, with its graph."""
        if self.passes.target == "logits":
            logits = logits_of(output, self.passes.output)
        else:
            grid = self.passes.levels.grid_of(batch.images)
            pooled = torch.cat([pool(level, grid) for level in maps], dim=1)
            # Constants do not change a gradient: the bias and the means are left out.
            logits = pooled @ torch.from_numpy((self.head.weights / self.head.scale).T).to(pooled)
        rows = torch.from_numpy(self.contrast[batch.image_classes.clamp_min(0).numpy()]).to(logits)
        # In evaluation mode images do not interact: the gradient of the sum is that of each y.
        return (logits[: batch.count] * rows).sum() * scale


def _sampled(
    maps: list[torch.Tensor],
    grid: tuple[int, ...],
    rows: list[torch.Tensor],
    feature_grids: list[FeatureGrid | None],
) -> torch.Tensor:
    """Return all levels' maps of one image at P positions of its grid, (P, ΣC_l)."""
    parts = [
        upsample_at(one, grid, rows, feature_grid)
        for one, feature_grid in zip(maps, feature_grids, strict=True)
    ]
    return torch.cat([part[0].flatten(1) for part in parts]).T


@torch.no_grad()
def _mean_peak(passes: TrainingPasses, weights: MapWeights, indices: list[int]) -> float:
    """Return the maximum of the sensitivity over an image, averaged over the given images."""

    def share(level: int, feature_map: torch.Tensor) -> torch.Tensor:
        return contract(feature_map, *weights.readouts(level))

    peaks: list[float] = []
    for batch in passes.selected_batches(indices, "sensitivity", BACKWARD_BATCH):
        weights.to(passes.levels.image_of(batch.images).device)
        _, readouts = capture(passes.model, batch.images, passes.levels, share)
        shares = [level[: batch.count] for level in readouts]
        summed = sum_levels(shares, passes.levels, passes.levels.grid_of(batch.images))
        found = largest_readout(summed)
        peaks += found.flatten(1).amax(1).tolist()
    return float(np.mean(peaks))


class _Moments:
    """Sums over positions that determine the regression.

    ``positions`` is the number of positions of each level.
    """

    def __init__(self, features: int, positions: npt.NDArray[np.int64]) -> None:
        self._positions = positions
        self._number = 0
        self._features = np.zeros(features)
        self._sizes = np.zeros(len(positions))
        self._squares = np.zeros((features, features))
        self._products = np.zeros((features, len(positions)))

    def add(self, features: torch.Tensor, sizes: torch.Tensor) -> None:
        """Add features (P, D) and gradient sizes (P, L)."""
        self._number += len(features)
        self._features += _double(features.sum(0))
        self._sizes += _double(sizes.sum(0))
        # The caller's autocast is meant for the model; the sums need single precision.
        with torch.autocast(features.device.type, enabled=False):
            self._squares += _double(features.T @ features)
            self._products += _double(features.T @ sizes)

    def solve(self, mean: Array) -> Sensitivity:
        """Return the readouts; ``mean`` was subtracted from the features.

        Each has mean 1 over positions, or is 0 for a level that the logits do not depend on.
        """
        # A level's total gradient: the finer the level, the more positions share it.
        total = self._sizes * self._positions
        known = total > _ROUNDING * total.max()
        if not known.any():
            raise GradientError("the logits do not depend on any level")
        features = self._features / self._number
        # Sizes are in units of the level's mean size.
        units = np.divide(1, self._sizes, out=np.zeros_like(self._sizes), where=known)
        products = self._products * units - np.outer(features, known)
        squares = self._squares / self._number - np.outer(features, features)
        variance = np.maximum(squares.diagonal(), 0)
        penalty = np.where(variance > 0, _PENALTY * variance, 1)
        weights = np.linalg.solve(squares + np.diag(penalty), products).T
        return Sensitivity(weights, known - weights @ (features + mean))


def _double(tensor: torch.Tensor) -> Array:
    # On the CPU, since not every device has double precision.
    return tensor.cpu().double().numpy()
