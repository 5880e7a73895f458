"""Compare maps with those of other networks: with permuted labels, or another architecture."""

import logging

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from hrcam.benchmark.images.fold_images import FoldImages
from hrcam.benchmark.measurement import Measurement
from hrcam.benchmark.measures.explain_methods import (
    Maps,
    all_methods,
    at_levels,
    maps_by_method,
    refitted,
)
from hrcam.benchmark.measures.randomised_maps import region_of
from hrcam.evaluation.similarity import spearman
from hrcam.explainer import HRCAM
from hrcam.model.inputs import to_device_of
from hrcam.networks import SmallCNN
from hrcam.preparation import augmentation
from hrcam.sanity.parameter_randomisation import permute_labels
from hrcam.training import Hardware, Run
from hrcam.training.classifier import train_classifier
from hrcam.training.images import ImageDataset, Transform
from hrcam.training.run_network import network_of

logger = logging.getLogger(__name__)

# Channels of the second network, with wider and fewer levels than the small network.
_WIDTHS = {2: (24, 48, 96, 128), 3: (12, 24, 48)}

# Training accuracy at which permuted labels count as memorised.
_MEMORISED = 0.9


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

    One is the run's network trained on the same images with permuted labels, without augmentation,
    until it has memorised them: if maps do not change, they do not show what separates the classes.
    The other is a CNN of another architecture, trained on the true labels: maps should not change.
    HR-CAM is refitted to both, and to the run's network for comparison.

    Parameters
    ----------
    run
        A finished training.
    explainer
        Explainer of one of its folds.
    images
        Images to map; maps are compared inside the image.
    learnt
        Images for training the networks and fitting HR-CAM.
    epochs
        Training epochs.
    hardware
        Devices for training.
    seed
        Random seed of the permutation, the weights and the training.

    Returns
    -------
    ``label_randomised_spearman`` and ``reproducibility``, rank correlations, of every method.
    """
    voxels = images.voxels().to(next(explainer.model.parameters()).device)
    inside = region_of(images)

    def maps(network: nn.Module) -> Maps:
        fitted = refitted(explainer, network.to(voxels.device), learnt, seed)
        return maps_by_method(all_methods(fitted), voxels, images.classes)

    original = maps(explainer.model)
    true = learnt.classes.numpy()
    permuted = permute_labels(true, seed).astype(np.int64)

    def trained(
        network: nn.Module, labels: NDArray[np.int64], transform: Transform | None
    ) -> nn.Module:
        data = ImageDataset([one.voxels for one in learnt.prepared], labels, transform)
        train_classifier(
            network,
            data,
            epochs=epochs,
            batch_size=run.plan.batch_size,
            learning_rate=run.plan.learning_rate,
            hardware=hardware,
            seed=seed,
        )
        return network

    memorising = trained(_same_network(run, seed), permuted, None)
    known = _accuracy(memorising.to(voxels.device), learnt, permuted)
    if known < _MEMORISED:
        logger.warning(
            "trained on permuted labels, the network memorised only %.0f %% of them, so its maps "
            "are of a network that has hardly learnt; use more epochs",
            100 * known,
        )
    other = trained(
        _other_network(run, seed), true, augmentation(run.preparation, run.plan.changes)
    )
    return [
        Measurement(scan.name, at_levels(explainer, variant), measure, float(value))
        for measure, network in (
            ("label_randomised_spearman", memorising),
            ("reproducibility", other),
        )
        for variant, ones in maps(network).items()
        for scan, value in zip(images.scans, spearman(original[variant], ones, inside), strict=True)
    ]


def _same_network(run: Run, seed: int) -> nn.Module:
    config = run.config.model_copy(update={"seed": seed})
    preparation = run.preparation
    return network_of(
        run.network,
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
