"""One experiment: train a CNN, fit HR-CAM to it, and compare its maps with those of all rivals."""

import logging
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from hrcam.benchmark.method_maps import Maps, method_maps
from hrcam.benchmark.variant import Stage, Variant, best_settings
from hrcam.demo.method_scores import methods_table, score_auprc, score_methods
from hrcam.explainer import HRCAM
from hrcam.progress import Progress
from hrcam.training.classifier import train_classifier
from hrcam.training.images import ImageDataset, Transform

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LabelledImages:
    """Images in memory, all of one shape, with their labels and masks.

    Attributes
    ----------
    images
        Shape (N, C, *spatial).
    labels
        Class indices, shape (N,).
    masks
        Masks of the pathology, (N, *spatial); all False if there is none or none is known.
    test
        Whether each image is a test image, shape (N,).
    """

    images: NDArray[np.float32]
    labels: NDArray[np.int64]
    masks: NDArray[np.bool_]
    test: NDArray[np.bool_]


@dataclass(frozen=True)
class ExperimentResult:
    """Result of an experiment.

    Attributes
    ----------
    explainer
        Explainer of the network, fitted to its logits on the training images.
    paper
        Explainer of the same network, fitted to labels: HR-CAM (2019).
    accuracy
        Accuracy of the network on the test images.
    indices
        Indices of the mapped images: test images with a mask.
    maps
        Maps of each variant for the true class of these images.
    auprc
        AUPRC of each variant on these images, shape (N,).
    settings
        Each method at its best level and with its best fusion at either stage, as read, in
        descending order.
    table
        Localisation scores, one row for each of these settings at each stage.
    """

    explainer: HRCAM
    paper: HRCAM
    accuracy: float
    indices: NDArray[np.int64]
    maps: dict[Variant, Maps]
    auprc: dict[Variant, NDArray[np.float64]]
    settings: list[Variant]
    table: pd.DataFrame


def run_experiment(
    cohort: LabelledImages,
    network: nn.Module,
    *,
    epochs: int,
    batch_size: int = 16,
    transform: Transform | None = None,
    bootstrap: int = 0,
    seed: int = 0,
    progress: bool = False,
) -> ExperimentResult:
    """Train, fit, map and score.

    Parameters
    ----------
    cohort
        The images.
    network
        Network, trained in place.
    epochs, batch_size, transform
        Options of the training; ``transform`` augments an image (C, *spatial) by a seed.
    bootstrap
        Number of bootstrap refits of the HR-CAM head.
    seed
        Random seed.
    progress
        Show progress bars on a terminal.
    """
    train, test = np.flatnonzero(~cohort.test), np.flatnonzero(cohort.test)
    logger.info("training a CNN on %d images", len(train))
    with Progress(epochs, "training", "epochs", shown=progress) as counted:
        train_classifier(
            network,
            ImageDataset(cohort.images[train], cohort.labels[train], transform),
            epochs=epochs,
            batch_size=batch_size,
            seed=seed,
            progress=counted,
        )
    with torch.no_grad():
        logits = torch.cat([network(batch) for batch in batched(cohort.images[test], batch_size)])
    accuracy = float(np.mean(logits.argmax(1).numpy() == cohort.labels[test]))

    logger.info("fitting HR-CAM to the CNN's logits")
    explainer = HRCAM(network).fit(
        batched(cohort.images[train], batch_size), "logits", bootstrap=bootstrap, seed=seed
    )
    logger.info("fitting HR-CAM to labels, as published")
    paper = HRCAM(network).fit(_pairs(cohort, train, batch_size), "labels", seed=seed)
    indices = np.array([index for index in test if cohort.masks[index].any()])
    logger.info("mapping %d test images with a mask by every method", len(indices))
    pairs = _pairs(cohort, indices, batch_size)
    maps = method_maps(explainer, paper, pairs, progress=progress)
    masks = list(cohort.masks[indices])
    auprc = score_auprc(maps, masks)
    settings = best_settings({one: float(values.mean()) for one, values in auprc.items()})
    shown = [setting.at(stage) for setting in settings for stage in Stage]
    scores = score_methods({variant: maps[variant] for variant in shown}, masks, seed)
    return ExperimentResult(
        explainer,
        paper,
        accuracy,
        indices,
        maps,
        auprc,
        settings,
        methods_table(scores, seed),
    )


def _pairs(
    cohort: LabelledImages, indices: NDArray[np.int64], size: int
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Return batches of images with their labels."""
    labels = torch.split(torch.from_numpy(cohort.labels[indices]), size)
    return list(zip(batched(cohort.images[indices], size), labels, strict=True))


def batched(images: NDArray[np.float32], size: int) -> list[torch.Tensor]:
    """Split an array of images into tensors of at most ``size`` images."""
    return list(torch.split(torch.from_numpy(images), size))
