"""One study: train a CNN, fit HR-CAM to it, and measure its maps against every rival's."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from hrcam.benchmark.contest import (
    Maps,
    Variant,
    contest_maps,
    contest_scores,
    contest_table,
    finalists,
)
from hrcam.evaluation.localisation import LocalisationScores
from hrcam.explainer import HRCAM
from hrcam.training.classifier import train_classifier
from hrcam.training.images import ImageDataset, Transform

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class StudyImages:
    """Images in memory, all of one shape, with their labels and masks.

    Attributes
    ----------
    images
        Shape (N, C, *spatial).
    labels
        Class indices, shape (N,).
    masks
        Where the pathology is; all False where there is none or none is known, (N, *spatial).
    test
        Which images are for testing, shape (N,).
    regions
        For each image the part of it that counts, where it was padded; None for all of it.
    """

    images: NDArray[np.float32]
    labels: NDArray[np.int64]
    masks: NDArray[np.bool_]
    test: NDArray[np.bool_]
    regions: Sequence[tuple[slice, ...]] | None = None

    def region(self, index: int) -> tuple[slice, ...]:
        """Return the part of an image that counts."""
        return (slice(None),) * self.masks[0].ndim if self.regions is None else self.regions[index]


@dataclass(frozen=True)
class Study:
    """What came out.

    Attributes
    ----------
    explainer
        Fitted to the network's logits on the training images; holds the network.
    accuracy
        Of the network, on the test images.
    indices
        Which images of the cohort were mapped: those of the test that have a mask.
    maps
        Every variant's map of the true class of each of them.
    scores
        Of every variant, on the mapped images.
    variants
        Each method's best variants, the best first; of those the table tells.
    table
        Localisation, one row per variant, the best first.
    """

    explainer: HRCAM
    accuracy: float
    indices: NDArray[np.int64]
    maps: dict[Variant, Maps]
    scores: dict[Variant, LocalisationScores]
    variants: list[Variant]
    table: pd.DataFrame


def run_study(
    cohort: StudyImages,
    network: nn.Module,
    *,
    epochs: int,
    batch_size: int = 16,
    transform: Transform | None = None,
    bootstrap: int = 0,
    seed: int = 0,
    progress: bool = False,
) -> Study:
    """Train, fit, map and score.

    Parameters
    ----------
    cohort
        The images.
    network
        Trained in place.
    epochs, batch_size, transform
        Of the training; ``transform`` changes single images (C, *spatial) at random, each by the
        whole number that it gets with it.
    bootstrap
        Number of refits of the HR-CAM head.
    seed
        Of everything random.
    progress
        Show bars on a terminal.
    """
    train, test = np.flatnonzero(~cohort.test), np.flatnonzero(cohort.test)
    logger.info("training a CNN on %d images", len(train))
    train_classifier(
        network,
        ImageDataset(cohort.images[train], cohort.labels[train], transform),
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        progress=progress,
    )
    with torch.no_grad():
        logits = torch.cat([network(batch) for batch in batched(cohort.images[test], batch_size)])
    accuracy = float(np.mean(logits.argmax(1).numpy() == cohort.labels[test]))

    logger.info("fitting HR-CAM to the CNN's logits")
    explainer = HRCAM(network).fit(
        batched(cohort.images[train], batch_size), "logits", bootstrap=bootstrap, seed=seed
    )
    indices = np.array([index for index in test if cohort.masks[index].any()])
    logger.info("mapping %d test images with a mask by every method", len(indices))
    pairs = zip(
        batched(cohort.images[indices], batch_size),
        torch.split(torch.from_numpy(cohort.labels[indices]), batch_size),
        strict=True,
    )
    whole = contest_maps(explainer, list(pairs), progress=progress)
    regions = [cohort.region(index) for index in indices]
    maps = {
        variant: [one[region] for one, region in zip(stack, regions, strict=True)]
        for variant, stack in whole.items()
    }
    masks = [cohort.masks[index][region] for index, region in zip(indices, regions, strict=True)]
    scores = contest_scores(maps, masks, seed)
    variants = finalists(scores)
    return Study(
        explainer,
        accuracy,
        indices,
        maps,
        scores,
        variants,
        contest_table(scores, variants, seed),
    )


def batched(images: NDArray[np.float32], size: int) -> list[torch.Tensor]:
    """Split an array of images into tensors of at most ``size`` images."""
    return list(torch.split(torch.from_numpy(images), size))
