"""Maps of other networks trained on the same images: with other labels, or of another size."""

import logging

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from hrcam.benchmark.images.unseen import FoldImages
from hrcam.benchmark.measurement import Measurement
from hrcam.benchmark.measures.explain_methods import (
    all_methods,
    maps_by_method,
    refitted,
    variants_of,
)
from hrcam.benchmark.measures.randomised_maps import region_of
from hrcam.evaluation.similarity import spearman
from hrcam.explainer import HRCAM
from hrcam.model.inputs import to_device_of
from hrcam.networks import SmallCNN
from hrcam.preparation import augmentation
from hrcam.sanity.randomisation_test import permute_labels
from hrcam.training import Hardware, Run
from hrcam.training.classifier import train_classifier
from hrcam.training.fold import network_of
from hrcam.training.images import ImageDataset, Transform

logger = logging.getLogger(__name__)

# Of the second network: wider levels, and fewer than the small one's five.
_WIDTHS = {2: (24, 48, 96, 128), 3: (12, 24, 48)}

# Share of exchanged labels that a network tells right when it has learnt them.
_BY_HEART = 0.9


def measure_other_networks(
    run: Run,
    explainer: HRCAM,
    images: FoldImages,
    learnt: FoldImages,
    *,
    epochs: int,
    hardware: Hardware,
    seed: int,
) -> list[Measurement]:
    """Compare maps with those of two networks that are trained here.

    One is the run's network trained on the same images with their labels exchanged at random,
    without augmentation, so that it learns them by heart: maps that stay the same do not show what
    tells the classes apart. The other is a CNN of other widths and fewer levels, trained on the
    true labels: maps should stay the same. HR-CAM is fitted anew to each, and to the run's network
    for comparison.

    Parameters
    ----------
    run
        A finished training.
    explainer
        Of one of its folds.
    images
        What is mapped, by the classes of the images; the maps are compared inside the image.
    learnt
        What the networks are trained on, and HR-CAM is fitted on.
    epochs
        Passes over these images.
    hardware
        Where to train.
    seed
        Of the exchange, the weights and the training.

    Returns
    -------
    ``label_randomised_spearman`` and ``reproducibility``, rank correlations, of every method.
    """
    voxels = images.voxels().to(next(explainer.model.parameters()).device)
    inside, variants = region_of(images), variants_of(explainer)

    def maps(network: nn.Module) -> dict[str, torch.Tensor]:
        fitted = refitted(explainer, network.to(voxels.device), learnt, seed)
        return maps_by_method(all_methods(fitted), voxels, images.classes)

    original = maps(explainer.model)
    true = learnt.classes.numpy()
    exchanged = permute_labels(true, seed).astype(np.int64)

    def trained(
        network: nn.Module, labels: NDArray[np.int64], transform: Transform | None
    ) -> nn.Module:
        data = ImageDataset([one.voxels for one in learnt.prepared], labels, transform)
        train_classifier(
            network,
            data,
            epochs=epochs,
            batch_size=run.config.batch_size,
            learning_rate=run.config.learning_rate,
            hardware=hardware,
            seed=seed,
        )
        return network

    memorising = trained(_same_network(run, seed), exchanged, None)
    known = _accuracy(memorising.to(voxels.device), learnt, exchanged)
    if known < _BY_HEART:
        logger.warning(
            "trained on exchanged labels, the network knows only %.0f %% of them: its maps are of "
            "a network that has hardly learnt; give more epochs",
            100 * known,
        )
    other = trained(_other_network(run, seed), true, augmentation(run.preparation))
    return [
        Measurement(scan.name, variants[name], measure, float(value))
        for measure, network in (
            ("label_randomised_spearman", memorising),
            ("reproducibility", other),
        )
        for name, ones in maps(network).items()
        for scan, value in zip(images.scans, spearman(original[name], ones, inside), strict=True)
    ]


def _same_network(run: Run, seed: int) -> nn.Module:
    # From random weights: those that a run may have started from need not be there any more.
    config = run.config.model_copy(update={"weights": None, "seed": seed})
    preparation = run.preparation
    return network_of(
        config,
        preparation.shape,
        preparation.in_channels,
        len(run.classes),
    )


def _other_network(run: Run, seed: int) -> nn.Module:
    dimensions = run.preparation.dimensions
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        return SmallCNN(
            dimensions, run.preparation.in_channels, len(run.classes), _WIDTHS[dimensions]
        )


@torch.no_grad()
def _accuracy(network: nn.Module, images: FoldImages, labels: NDArray[np.int64]) -> float:
    predicted = [
        int(network(to_device_of(network, images.voxels(place, place + 1))).argmax(1))
        for place in range(len(labels))
    ]
    return float(np.mean(np.array(predicted) == labels))
