"""Learn to read from the feature maps where the model's decision depends on the image.

The gradient of a decision says where it would change with the image, in this image. But it takes a
backward pass, and is noisy from place to place. What the features of a place have to do with it
is not: so its size is regressed on them, over some training images, and what they foretell is
used in its stead.
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
from hrcam.levels.geometry import Lattice
from hrcam.levels.gradients import level_gradients
from hrcam.levels.operators import contract, pool, sample
from hrcam.maps.sensitivity import Sensitivity, sensitivity_map
from hrcam.maps.training_passes import ChosenImages, Watch
from hrcam.maps.weights import MapWeights
from hrcam.model.call import logits_of
from hrcam.model.inputs import grid_of, image_of

# Gradients are taken of this many images, shared between the classes.
_IMAGES = 128
# Of so many of them, one says what the largest sensitivity of an image is.
_PEAK_OF = 4
# At about this many places of each, a few along each axis.
_PLACES = 4096
# The penalty, as a share of each feature's variance over places.
_PENALTY = 1e-3
# Of the gradient of the level that has the most: one below it is rounding.
_ROUNDING = 1e-5
# In half precision what a voxel adds to a mean would vanish unscaled, and other gradients would
# overflow scaled.
_SCALES = (4096.0, 1.0)


def learn_sensitivity(
    watch: Watch,
    head: Head,
    references: References,
    own: npt.NDArray[np.int64],
    centre: bool,
    seed: int,
) -> Sensitivity:
    """Regress the size of the gradient on the feature maps, over places and training images.

    What is regressed is n_j(p) = V_j Σ_k |∂y / ∂f_jk|(p), for each level j in units of its mean
    over places and images. y is the logit of the image's own class minus that of its reference,
    or the logit alone for `hrcam.head.covariance.ALL_OTHERS`, centred over the classes if they
    compete.
    By least squares with a small L2 penalty, at some places of each image, drawn anew for each.

    Parameters
    ----------
    watch
        The training images.
    head
        Whose logits they are for ``target="labels"``; else they are the model's own.
    references
        What each class is compared with, shape (K,).
    own
        The class of each image, shape (N,), or −1 for none.
    centre
        Whether the logits compete: as for ``fit``.
    seed
        Of images and places.

    Warns
    -----
    HRCAMWarning
        If no gradient passes the model. The map is then the same without.
    """
    generator = np.random.default_rng(seed)
    contrast = contrasts(references)
    decisions = _Decisions(watch, head, centred_over_classes(contrast) if centre else contrast)
    moments = _Moments(len(head.mean), np.array([np.prod(one.size) for one in watch.levels]))
    chosen = _choose(own, generator)
    try:
        for few in watch.chosen_images(chosen, "gradients"):
            for features, sizes in decisions.at_places(few, generator):
                moments.add(features, sizes)
        found = moments.solve(head.mean)
    except (GradientError, torch.cuda.OutOfMemoryError) as error:
        warnings.warn(
            HRCAMWarning(
                f"{error}: the pattern is made without knowing where the decision depends on the "
                "image, and localises less well"
            ),
            stacklevel=3,
        )
        return Sensitivity.everywhere(len(watch.levels), len(head.mean))
    weights = MapWeights(head, watch.levels, references, found)
    peak = _mean_peak(watch, weights, chosen[::_PEAK_OF])
    return Sensitivity(found.weights / peak, found.offsets / peak)


def _choose(own: npt.NDArray[np.int64], generator: np.random.Generator) -> list[int]:
    """Draw images class by class, as many as there are, up to an equal share."""
    classes = generator.permutation(np.unique(own))[:_IMAGES]
    share = _IMAGES // len(classes)
    drawn = [generator.permutation(np.flatnonzero(own == name))[:share] for name in classes]
    chosen: list[int] = np.concatenate(drawn).tolist()
    return chosen


@dataclass(frozen=True)
class _Decisions:
    """The logits y of which gradients are taken, each image's of its own class.

    Attributes
    ----------
    watch, head
        As for ``learn_sensitivity``.
    contrast
        What makes y of the logits, by class, (K, K).
    """

    watch: Watch
    head: Head
    contrast: Array

    def at_places(
        self, few: ChosenImages, generator: np.random.Generator
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield each image's features less their mean, (P, D), and sizes of gradients, (P, L)."""
        grid, device = grid_of(few.images), image_of(few.images).device
        along = round(_PLACES ** (1 / len(grid)))
        features, sizes = self._level_sizes(few)
        lattices = [
            level.lattice_on(one.shape[2:], grid)
            for level, one in zip(self.watch.levels, features, strict=True)
        ]
        mean = torch.from_numpy(self.head.mean).to(features[0])
        for image in range(few.count):
            rows = [
                torch.from_numpy(np.sort(generator.permutation(size)[:along])).to(device)
                for size in grid
            ]
            here = slice(image, image + 1)
            yield (
                _sampled([one[here] for one in features], grid, rows, lattices) - mean,
                _sampled([one[here] for one in sizes], grid, rows, lattices),
            )

    def _level_sizes(self, few: ChosenImages) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """Return each level's feature map, and the size of the gradient there, (B, 1, *S_l)."""
        for scale in _SCALES:
            score = partial(self._sum, few, scale)
            found = level_gradients(self.watch.model, few.images, self.watch.levels, score)
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
        self, few: ChosenImages, scale: float, output: Any, maps: list[torch.Tensor]
    ) -> torch.Tensor:
        """Return the sum of the images' y, as a part of the graph."""
        if few.labels is None:
            logits = logits_of(output, self.watch.output)
            own = self.watch.own_class(logits.detach())[: few.count]
        else:
            pooled = torch.cat([pool(level, grid_of(few.images)) for level in maps], dim=1)
            # Constants do not change a gradient: the bias and the means are left out.
            logits = pooled @ torch.from_numpy((self.head.weights / self.head.scale).T).to(pooled)
            own = few.labels
        rows = torch.from_numpy(self.contrast[own.clamp_min(0).numpy()]).to(logits)
        # Images do not mix in evaluation mode, so the sum's gradient is each one's own.
        return (logits[: few.count] * rows).sum() * scale


def _sampled(
    maps: list[torch.Tensor],
    grid: tuple[int, ...],
    rows: list[torch.Tensor],
    lattices: list[Lattice | None],
) -> torch.Tensor:
    """Return all levels' maps of one image at P places of its grid, (P, ΣC_l)."""
    parts = [sample(one, grid, rows, lattice) for one, lattice in zip(maps, lattices, strict=True)]
    return torch.cat([part[0].flatten(1) for part in parts]).T


@torch.no_grad()
def _mean_peak(watch: Watch, weights: MapWeights, chosen: list[int]) -> float:
    """Return the largest sensitivity of an image, the mean over those that were chosen."""

    def share(level: int, feature_map: torch.Tensor) -> torch.Tensor:
        return contract(feature_map, *weights.readouts(level))

    peaks: list[float] = []
    for few in watch.chosen_images(chosen, "sensitivity"):
        weights.to(image_of(few.images).device)
        _, readouts = capture(watch.model, few.images, watch.levels, share)
        shares = [level[: few.count] for level in readouts]
        found = sensitivity_map(shares, watch.levels, grid_of(few.images))
        peaks += found.flatten(1).amax(1).tolist()
    return float(np.mean(peaks))


class _Moments:
    """Sums over places from which the regression follows.

    ``positions`` is how many each level has.
    """

    def __init__(self, features: int, positions: npt.NDArray[np.int64]) -> None:
        self._positions = positions
        self._number = 0
        self._features = np.zeros(features)
        self._sizes = np.zeros(len(positions))
        self._squares = np.zeros((features, features))
        self._products = np.zeros((features, len(positions)))

    def add(self, features: torch.Tensor, sizes: torch.Tensor) -> None:
        """Take in features (P, D) and sizes of gradients (P, L)."""
        self._number += len(features)
        self._features += _double(features.sum(0))
        self._sizes += _double(sizes.sum(0))
        # A half-precision context of the caller is for the model, not for the sums.
        with torch.autocast(features.device.type, enabled=False):
            self._squares += _double(features.T @ features)
            self._products += _double(features.T @ sizes)

    def solve(self, mean: Array) -> Sensitivity:
        """Return a readout of each level; ``mean`` was subtracted from the features.

        Each is of mean 1 over places, or 0 for a level that the logits do not depend on.
        """
        # A fine level's gradient is shared between more positions.
        total = self._sizes * self._positions
        known = total > _ROUNDING * total.max()
        if not known.any():
            raise GradientError("the logits do not depend on any level")
        features = self._features / self._number
        # In units of the level's mean size.
        units = np.divide(1, self._sizes, out=np.zeros_like(self._sizes), where=known)
        products = self._products * units - np.outer(features, known)
        squares = self._squares / self._number - np.outer(features, features)
        variance = np.maximum(squares.diagonal(), 0)
        penalty = np.where(variance > 0, _PENALTY * variance, 1)
        weights = np.linalg.solve(squares + np.diag(penalty), products).T
        return Sensitivity(weights, known - weights @ (features + mean))


def _double(tensor: torch.Tensor) -> Array:
    # On the CPU, as not every device has double precision.
    return tensor.cpu().double().numpy()
