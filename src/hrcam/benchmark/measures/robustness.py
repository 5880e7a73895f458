"""Robustness of a run's maps: do they mean something, and are they the same again."""

from collections.abc import Sequence

import torch

from hrcam.benchmark.images.measured import part_of, some_images
from hrcam.benchmark.images.seen import seen_images
from hrcam.benchmark.images.unseen import FoldImages
from hrcam.benchmark.measurement import Measurement
from hrcam.benchmark.measures.explain_methods import all_methods, maps_by_method, variants_of
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
# Networks that are trained for a comparison need more images than a head does.
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
    """Measure HR-CAM's two maps, and Grad-CAM and LayerCAM at the coarsest level.

    Maps are of the classes of the images, and are compared inside the image.

    Parameters
    ----------
    run
        A finished training.
    folds
        Images that each fold has not seen.
    scans
        Of the run's cohort, from which images to train and to fit on are taken.
    seed
        Of everything random.
    images
        How many are mapped at most. What takes other networks is measured on images of the first
        of the folds.
    epochs
        Of the two networks that are trained for comparison, on up to 160 images.
    hardware
        Where they are trained.
    device
        Where maps are computed; None for the CPU.

    Returns
    -------
    ``noise_stability`` (noise a tenth of the image's standard deviation), ``shift_stability`` (two
    voxels) and, of a run with several folds, ``fold_repeatability``: rank correlations with the
    maps of the changed image, or with those of the next fold's network, which has learnt from
    the image. Further what `measure_randomisation` and `measure_other_networks` return.

    Raises
    ------
    InputError
        If there are no images, or none of the scans was learnt from.
    """
    if not any(one.scans for one in folds):
        raise InputError("there are no unseen images to map: give those of one fold or more")
    device = device or torch.device("cpu")
    measurements = []
    for one in some_images(folds, images):
        explainer = _explainer(run, one.fold, device)
        measurements += _stability(explainer, one, seed)
        if run.folds > 1:
            other = _explainer(run, one.fold % run.folds + 1, device)
            measurements += _fold_repeatability(explainer, other, one)
    first = some_images([one for one in folds if one.scans][:1], images)[0]
    learnt = seen_images(run, first.fold, scans, most=_TRAINED_ON, seed=seed)
    if not learnt.scans:
        raise InputError(
            f"fold {first.fold} of the run has learnt from none of the {len(scans)} scans: give "
            "those of the cohort that it was trained on"
        )
    some = part_of(learnt, range(min(_FITTED_ON, len(learnt.scans))))
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
    inside, variants = region_of(images), variants_of(explainer)
    measurements = []
    for name, explain in all_methods(explainer).items():
        noise = stability_to_noise(explain, voxels, images.classes, _SNR, inside, seed=seed)
        shift = stability_to_shifts(explain, voxels, images.classes, _SHIFT, inside)
        for measure, agreement in (("noise_stability", noise), ("shift_stability", shift)):
            measurements += [
                Measurement(scan.name, variants[name], measure, float(value))
                for scan, value in zip(images.scans, agreement.spearman, strict=True)
            ]
    return measurements


def _fold_repeatability(own: HRCAM, other: HRCAM, images: FoldImages) -> list[Measurement]:
    voxels = images.voxels().to(next(own.model.parameters()).device)
    inside, variants = region_of(images), variants_of(own)
    ours, theirs = (
        maps_by_method(all_methods(explainer), voxels, images.classes) for explainer in (own, other)
    )
    return [
        Measurement(scan.name, variants[name], "fold_repeatability", float(value))
        for name in ours
        for scan, value in zip(
            images.scans, spearman(ours[name], theirs[name], inside), strict=True
        )
    ]
