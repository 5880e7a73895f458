"""Insertion and deletion curves (Petsiuk, Das, Saenko, BMVC 2018), in 2D and 3D."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import nn

from hrcam.errors import InputError
from hrcam.evaluation.checked_inputs import Classifier, check_batch, checked_maps
from hrcam.evaluation.random_numbers import check_seed
from hrcam.model.call import logits_of
from hrcam.model.hooks import evaluation_mode
from hrcam.model.inputs import check_classes
from hrcam.model.tensors import at_least_single

Fill = Literal["blur", "mean"]
Score = Literal["probability", "logit"]

# Standard deviation of the blur that removes voxels, as a fraction of each axis.
_FILL_BLUR = 0.1


@dataclass(frozen=True)
class Perturbation:
    """Options of the perturbation.

    Attributes
    ----------
    steps
        Number of steps, of equal numbers of voxels.
    fill
        Replacement of removed voxels: the image blurred by a tenth of each axis, or the mean of
        each channel. Blurred images are more realistic, but blur does not remove the inside of
        homogeneous lesions wider than it.
    score
        Probability of the class, by softmax or, for a single logit, by sigmoid; or its logit.
    batch_size
        Number of images per forward pass.
    seed
        Random seed of the order of tied voxels, which in grid order would form an artificial
        shape.
    """

    steps: int = 32
    fill: Fill = "blur"
    score: Score = "probability"
    batch_size: int = 32
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value in (("steps", self.steps), ("batch_size", self.batch_size)):
            if not isinstance(value, int) or value < 1:
                raise InputError(f"{name} is {value!r}: it is a whole number, 1 or more")
        for name, chosen, known in (("fill", self.fill, Fill), ("score", self.score, Score)):
            if chosen not in get_args(known):
                raise InputError(f"{name} is {chosen!r}: use one of {', '.join(get_args(known))}")
        check_seed(self.seed)


DEFAULT = Perturbation()


@dataclass(frozen=True)
class PerturbationCurve:
    """Scores of a class as voxels are removed or inserted.

    Attributes
    ----------
    shares
        Fraction of removed or inserted voxels, from 0 to 1, shape (steps + 1,).
    scores
        Scores of each image, shape (B, steps + 1).
    """

    shares: NDArray[np.float64]
    scores: NDArray[np.float64]

    @property
    def area(self) -> NDArray[np.float64]:
        """Area under each curve, the mean score, shape (B,)."""
        middles = (self.scores[:, 1:] + self.scores[:, :-1]) / 2
        area: NDArray[np.float64] = middles @ np.diff(self.shares)
        return area


def deletion_curve(
    model: Classifier,
    images: torch.Tensor,
    classes: torch.Tensor,
    maps: torch.Tensor,
    settings: Perturbation = DEFAULT,
) -> PerturbationCurve:
    """Remove voxels, those with the highest values of the map first.

    For a faithful map the score falls early, so the area is small.

    Parameters
    ----------
    model
        From images to logits. A module is run in evaluation mode and not modified.
    images
        Shape (B, C, *spatial).
    classes
        Classes that are scored, shape (B,).
    maps
        Shape (B, *spatial); a larger value means more important.
    settings
        Options of the perturbation.

    Returns
    -------
    PerturbationCurve

    Raises
    ------
    InputError
        If images, classes or maps are invalid or do not fit, there are more steps than voxels,
        or the model's logits are not finite.
    """
    return _curve(model, images, classes, maps, settings, insert=False)


def insertion_curve(
    model: Classifier,
    images: torch.Tensor,
    classes: torch.Tensor,
    maps: torch.Tensor,
    settings: Perturbation = DEFAULT,
) -> PerturbationCurve:
    """Insert voxels into an empty image, those with the highest values of the map first.

    For a faithful map the score rises early, so the area is large. Otherwise as `deletion_curve`.
    """
    return _curve(model, images, classes, maps, settings, insert=True)


def logit_drop(
    model: Classifier,
    images: torch.Tensor,
    classes: torch.Tensor,
    maps: torch.Tensor,
    share: float = 0.05,
    settings: Perturbation = DEFAULT,
) -> NDArray[np.float64]:
    """Compute the decrease of the class logit when the map's highest voxels are removed.

    Parameters
    ----------
    model, images, classes, maps
        As in `deletion_curve`.
    share
        Fraction of voxels that are removed, above 0 and at most 1.
    settings
        As in `deletion_curve`; steps and score are not used.

    Returns
    -------
    Array of shape (B,), in logit units; negative if the logit rises.

    Raises
    ------
    InputError
        As `deletion_curve`; also if the share is out of range.
    """
    if not 0 < share <= 1:
        raise InputError(f"share is {share}: it must lie above 0 and be at most 1")
    check_batch(images, model)
    counts = np.array([0, max(1, round(share * images[0, 0].numel()))])
    logits = _scores(model, images, classes, maps, counts, settings, score="logit", insert=False)
    return logits[:, 0] - logits[:, 1]


def removal_ranks(maps: torch.Tensor, seed: int) -> torch.Tensor:
    """Rank the voxels of each map in descending order from 0, with ties in random order.

    Parameters
    ----------
    maps
        Shape (B, *spatial).
    seed
        Random seed of the order of ties.

    Returns
    -------
    Integer tensor of shape (B, *spatial).
    """
    values = maps.flatten(1)
    shuffle = np.random.default_rng(seed).permutation(values.shape[1])
    mixed = torch.from_numpy(shuffle).to(maps.device)
    order = mixed[values[:, mixed].argsort(dim=1, descending=True, stable=True)]
    numbers = torch.arange(values.shape[1], device=maps.device).expand_as(order)
    return torch.empty_like(order).scatter_(1, order, numbers).reshape(maps.shape)


def without_voxels(images: torch.Tensor, fill: Fill) -> torch.Tensor:
    """Return images (B, C, *spatial) with all voxels removed."""
    spatial = images.ndim - 2
    if fill == "blur":
        return blur(images, _FILL_BLUR, spatial)
    return images.mean(tuple(range(2, images.ndim)), keepdim=True).expand_as(images)


def blur(batch: torch.Tensor, share: float, spatial: int) -> torch.Tensor:
    """Blur the last axes of a batch, with border values repeated.

    Parameters
    ----------
    batch
        Shape (..., *spatial), of a floating-point type.
    share
        Standard deviation of the Gaussian, as a fraction of each axis's length.
    spatial
        Number of the last axes that are blurred.

    Returns
    -------
    Tensor like ``batch``.
    """
    axes = tuple(range(batch.ndim - spatial, batch.ndim))
    widths = [share * batch.shape[axis] for axis in axes]
    values = at_least_single(batch.detach()).cpu().numpy()
    return torch.from_numpy(gaussian_filter(values, widths, axes=axes, mode="nearest")).to(batch)


def _curve(
    model: Classifier,
    images: torch.Tensor,
    classes: torch.Tensor,
    maps: torch.Tensor,
    settings: Perturbation,
    *,
    insert: bool,
) -> PerturbationCurve:
    check_batch(images, model)
    voxels = images[0, 0].numel()
    if settings.steps > voxels:
        raise InputError(f"{settings.steps} steps are more than the image has voxels: {voxels}")
    counts = np.linspace(0, voxels, settings.steps + 1).round().astype(np.int64)
    scores = _scores(
        model, images, classes, maps, counts, settings, score=settings.score, insert=insert
    )
    return PerturbationCurve(counts / voxels, scores)


@torch.no_grad()
def _scores(
    model: Classifier,
    images: torch.Tensor,
    classes: torch.Tensor,
    maps: torch.Tensor,
    counts: NDArray[np.int64],
    settings: Perturbation,
    *,
    score: Score,
    insert: bool,
) -> NDArray[np.float64]:
    """Score each image at each number of removed or inserted voxels, shape (B, counts)."""
    maps = checked_maps(maps, images).to(images.device)
    ranks = removal_ranks(maps, settings.seed)[:, None]
    emptied = without_voxels(images, settings.fill)
    start, end = (emptied, images) if insert else (images, emptied)
    limits = torch.from_numpy(counts).to(images.device)
    # Each image at each count is one row; batches are consecutive rows.
    rows = torch.arange(len(images) * len(counts), device=images.device)
    scores = []
    with _ready(model):
        for first in range(0, len(rows), settings.batch_size):
            some = rows[first : first + settings.batch_size]
            image, count = some // len(counts), some % len(counts)
            changed = ranks[image] < limits[count].reshape(-1, *(1,) * (images.ndim - 1))
            batch = torch.where(changed, end[image], start[image])
            scores.append(_class_scores(model, batch, classes, image, len(images), score))
    return torch.cat(scores).reshape(len(images), len(counts)).cpu().numpy()


@contextmanager
def _ready(model: Classifier) -> Iterator[None]:
    if isinstance(model, nn.Module):
        with evaluation_mode(model):
            yield
    else:
        yield


def _class_scores(
    model: Classifier,
    batch: torch.Tensor,
    classes: torch.Tensor,
    image: torch.Tensor,
    images: int,
    score: Score,
) -> torch.Tensor:
    logits = logits_of(model(batch)).double()
    if not bool(torch.isfinite(logits).all()):
        raise InputError(
            "the model's logits hold NaN or infinite values: it diverged, or half precision "
            "overflowed (bfloat16 has more range)"
        )
    chosen = check_classes(classes, images, logits.shape[1]).to(logits.device)[image]
    if score == "probability":
        logits = logits.sigmoid() if logits.shape[1] == 1 else logits.softmax(1)
    return logits.gather(1, chosen[:, None])[:, 0]
