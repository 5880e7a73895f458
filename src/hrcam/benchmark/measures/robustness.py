"""Sanity and robustness of a run's maps."""

from collections.abc import Sequence

import torch

from hrcam.benchmark.images.fold_images import FoldImages, seen_images
from hrcam.benchmark.images.measured import sample_images, subset
from hrcam.benchmark.measurement import Measurement
from hrcam.benchmark.measures.explain_methods import all_methods, at_levels, maps_by_method
from hrcam.benchmark.measures.other_networks import measure_other_networks
from hrcam.benchmark.measures.randomised_maps import measure_randomisation, region_of
from hrcam.benchmark.measures.repeatability import repeatability_over_seeds
from hrcam.cohort import Scan
from hrcam.errors import InputError
from hrcam.evaluation.similarity import spearman
from hrcam.explainer import HRCAM
from hrcam.sanity.stability import stability_to_noise, stability_to_shifts
from hrcam.training import Hardware, Run

__all__ = ["measure_robustness", "repeatability_over_seeds"]

_SNR = 10.0
_SHIFT = 2
# Numbers of images for training comparison networks, and for refitting a head.
_TRAINED_ON = 160
_FITTED_ON = 64


def measure_robustness(
    run: Run,
    folds: Sequence[FoldImages],
    scans: Sequence[Scan],
    *,
    seed: int,
    images: int = 30,
    epochs: int = 20,
    hardware: Hardware | None = None,
    device: torch.device | None = None,
) -> list[Measurement]:
    """Measure the robustness of HR-CAM's maps, and of Grad-CAM and LayerCAM at the coarsest level.

    Maps are of the classes of the images, and are compared inside the image, at both stages.

    Parameters
    ----------
    run
        A finished training.
    folds
        Unseen images of each fold.
    scans
        Scans of the run's cohort, from which training images are selected.
    seed
        Random seed.
    images
        Largest number of mapped images. Measurements with other networks use only images of the
        first fold.
    epochs
        Training epochs of the two comparison networks, on up to 160 images.
    hardware
        Devices for training.
    device
        Device for maps; None for the CPU.

    Returns
    -------
    ``noise_stability`` (noise a tenth of the image's standard deviation), ``shift_stability`` (two
    voxels) and, of a run with several folds, ``fold_repeatability``: rank correlations with the
    maps of the changed image, or with those of the next fold's network, which was trained on the
    image. Also the results of `measure_randomisation` and `measure_other_networks`.

    Raises
    ------
    InputError
        If there are no images, or no scan was trained on.
    """
    if not any(one.scans for one in folds):
        raise InputError("there are no unseen images to map: give those of one fold or more")
    device = device or torch.device("cpu")
    measurements = []
    for one in sample_images(folds, images):
        explainer = _explainer(run, one.fold, device)
        measurements += _stability(explainer, one, seed)
        if run.folds > 1:
            other = _explainer(run, one.fold % run.folds + 1, device)
            measurements += _fold_repeatability(explainer, other, one)
    first = sample_images([one for one in folds if one.scans][:1], images)[0]
    learnt = seen_images(run, first.fold, scans, most=_TRAINED_ON, seed=seed)
    if not learnt.scans:
        raise InputError(
            f"fold {first.fold} of the run has learnt from none of the {len(scans)} scans: give "
            "those of the cohort that it was trained on"
        )
    some = subset(learnt, range(min(_FITTED_ON, len(learnt.scans))))
    explainer = _explainer(run, first.fold, device)
    measurements += measure_randomisation(explainer, first, some, seed=seed)
    measurements += measure_other_networks(
        run,
        explainer,
        first,
        learnt,
        epochs=epochs,
        hardware=hardware or Hardware(accelerator="cpu"),
        seed=seed,
    )
    return measurements


def _explainer(run: Run, fold: int, device: torch.device) -> HRCAM:
    explainer = run.explainer(fold)
    explainer.model.to(device)
    return explainer


def _stability(explainer: HRCAM, images: FoldImages, seed: int) -> list[Measurement]:
    voxels = images.voxels().to(next(explainer.model.parameters()).device)
    inside = region_of(images)
    measurements = []
    for variant, explain in all_methods(explainer).items():
        noise = stability_to_noise(explain, voxels, images.classes, _SNR, inside, seed=seed)
        shift = stability_to_shifts(explain, voxels, images.classes, _SHIFT, inside)
        for measure, agreement in (("noise_stability", noise), ("shift_stability", shift)):
            measurements += [
                Measurement(scan.name, at_levels(explainer, variant), measure, float(value))
                for scan, value in zip(images.scans, agreement.spearman, strict=True)
            ]
    return measurements


def _fold_repeatability(explainer: HRCAM, other: HRCAM, images: FoldImages) -> list[Measurement]:
    """Compare maps with those of another fold's network."""
    voxels = images.voxels().to(next(explainer.model.parameters()).device)
    inside = region_of(images)
    ours, theirs = (
        maps_by_method(all_methods(one), voxels, images.classes) for one in (explainer, other)
    )
    return [
        Measurement(scan.name, at_levels(explainer, variant), "fold_repeatability", float(value))
        for variant in ours
        for scan, value in zip(
            images.scans, spearman(ours[variant], theirs[variant], inside), strict=True
        )
    ]
