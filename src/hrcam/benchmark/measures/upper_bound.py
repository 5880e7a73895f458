"""An upper bound of localisation: segmentation by U-Nets that are trained on masks."""

from collections.abc import Sequence
from math import prod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from hrcam.benchmark.cohorts import lesion_free_classes
from hrcam.benchmark.images.fold_images import FoldImages, seen_images
from hrcam.benchmark.measures.segmentation import train_unet, unet_logits
from hrcam.benchmark.variant import Stage
from hrcam.cohort import Scan
from hrcam.errors import InputError
from hrcam.maps.refine import refine
from hrcam.preparation import PreparedImage
from hrcam.training import Run

# With fewer training lesions, the unseen images are cross-validated instead.
_FEWEST_LESIONS = 10
_PARTS = 3
# In memory at once, 512 MB: 8,000 pictures of 128 × 128, or 150 volumes of 96³.
_MOST_VOXELS = 2**27

_Example = tuple[Scan, PreparedImage, NDArray[np.bool_] | None]


def unet_maps(
    run: Run,
    folds: Sequence[FoldImages],
    scans: Sequence[Scan],
    *,
    epochs: int | None = None,
    seed: int = 0,
    device: torch.device | None = None,
) -> dict[str, dict[Stage, NDArray[np.float32]]]:
    """Map the unseen images of a run by U-Nets that were trained on the masks of other images.

    For each fold a U-Net is trained on the training images of the fold, up to 512 MB: those with a
    mask, and those of classes without any mask, as controls. If fewer than ten of them have a
    lesion, as in a cohort with masks of test images only, the unseen images are cross-validated by
    group in three parts instead.

    Parameters
    ----------
    run
        A finished training, whose preparation is used.
    folds
        Its unseen images; several items may belong to one fold.
    scans
        Scans of its cohort.
    epochs
        Training epochs of each U-Net; None for
        `hrcam.benchmark.measures.segmentation.STEPS` steps.
    seed
        Random seed.
    device
        Device of the U-Nets; None for the CPU.

    Returns
    -------
    The logit of "pathology" at every voxel of every unseen image, as read and refined, in the
    scan's own voxels, by the scan's name. Voxels outside the grid, which the U-Net did not see,
    have the smallest logit of the image.

    Raises
    ------
    InputError
        If there are too few masks: fewer than ten training images have a lesion, and the unseen
        images with a lesion belong to fewer than three groups.
    """
    healthy = lesion_free_classes(tuple(scans))
    usable = [scan for scan in scans if scan.mask is not None or scan.label in healthy]
    most = _MOST_VOXELS // (run.preparation.in_channels * prod(run.preparation.shape))
    maps: dict[str, dict[Stage, NDArray[np.float32]]] = {}
    for fold in dict.fromkeys(images.fold for images in folds):
        learnt = _examples(seen_images(run, fold, usable, most=max(1, most), seed=seed))
        if sum(map(_has_lesion, learnt)) < _FEWEST_LESIONS:
            return _crossed_maps(folds, epochs, seed, device)
        network = _trained(learnt, epochs, seed, device)
        for images in folds:
            if images.fold == fold:
                maps |= segment(network, _examples(images))
    return maps


def _crossed_maps(
    folds: Sequence[FoldImages], epochs: int | None, seed: int, device: torch.device | None
) -> dict[str, dict[Stage, NDArray[np.float32]]]:
    """Map each third of the images by a U-Net trained on the other thirds."""
    every = [example for images in folds for example in _examples(images)]
    diseased = {scan.group for scan, _, mask in every if mask is not None and mask.any()}
    if len(diseased) < _PARTS:
        raise InputError(
            f"a U-Net needs masks to train on: fewer than {_FEWEST_LESIONS} training images have "
            f"a mask with a lesion, and the unseen ones that do belong to {len(diseased)} groups; "
            f"give masks of {_PARTS} groups or more in the table's column mask"
        )
    order = np.random.default_rng(seed).permutation(sorted({scan.group for scan, _, _ in every}))
    # Groups with a lesion first, so that they are evenly divided.
    dealt = sorted(order.tolist(), key=lambda group: group not in diseased)
    part_of = {group: place % _PARTS for place, group in enumerate(dealt)}
    maps: dict[str, dict[Stage, NDArray[np.float32]]] = {}
    for part in range(_PARTS):
        others = [one for one in every if part_of[one[0].group] != part and one[2] is not None]
        network = _trained(others, epochs, seed + part, device)
        maps |= segment(network, [one for one in every if part_of[one[0].group] == part])
    return maps


def _examples(images: FoldImages) -> list[_Example]:
    return list(zip(images.scans, images.prepared, images.masks, strict=True))


def _has_lesion(example: _Example) -> bool:
    mask = example[2]
    return mask is not None and bool(mask.any())


def _trained(
    examples: Sequence[_Example], epochs: int | None, seed: int, device: torch.device | None
) -> nn.Module:
    images = torch.from_numpy(np.stack([prepared.voxels for _, prepared, _ in examples]))
    masks = torch.from_numpy(np.stack([mask_on_grid(one, mask) for _, one, mask in examples]))
    return train_unet(images, masks, epochs=epochs, seed=seed, device=device)


def mask_on_grid(prepared: PreparedImage, mask: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    """Resample a mask to the grid; without a mask it is empty."""
    if mask is None:
        return np.zeros(prepared.voxels.shape[1:], bool)
    on_grid: NDArray[np.bool_] = prepared.from_native(mask.astype(np.float32)) >= 0.5
    return on_grid & prepared.inside


def segment(
    network: nn.Module, examples: Sequence[_Example]
) -> dict[str, dict[Stage, NDArray[np.float32]]]:
    """Return the logits of each image in its own voxels at each stage, by the name of its scan."""
    maps = {}
    for scan, prepared, _ in examples:
        image = torch.from_numpy(prepared.voxels)[None]
        as_read = unet_logits(network, image)
        stages = {Stage.AS_READ: as_read, Stage.REFINED: refine(as_read, image)}
        maps[scan.name] = {
            stage: _to_native(prepared, logits[0].numpy()) for stage, logits in stages.items()
        }
    return maps


def _to_native(prepared: PreparedImage, logits: NDArray[np.float32]) -> NDArray[np.float32]:
    # Voxels outside the grid would become 0; give them the smallest logit.
    smallest = logits.min()
    native: NDArray[np.float32] = prepared.to_native(logits - smallest) + smallest
    return native
