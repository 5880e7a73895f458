"""Select the unseen images that a unit measures: some with a lesion, and some without."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, generate_binary_structure

from hrcam.benchmark.cohorts import OpenedCohort, lesion_free_classes
from hrcam.benchmark.images.fold_images import FoldImages, unseen_images
from hrcam.benchmark.unit_runs import UnitRuns
from hrcam.cohort import Scan
from hrcam.cohort.image import Image
from hrcam.cohort.reading import read_mask, read_scan
from hrcam.errors import InputError
from hrcam.model.inputs import to_device_of
from hrcam.training import Run

# How far around a lesion its contrast is measured, in voxels.
_SURROUNDINGS = 5


@dataclass(frozen=True)
class MeasuredImages:
    """Unseen images of a unit, by fold; each scan at most once.

    Attributes
    ----------
    lesions
        Images whose mask is not empty, with their true classes.
    lesion_free
        Images without a lesion. Their class is the most probable one with lesions, to measure
        false positives.
    nigra
        Masks of the substantia nigra, by scan, of correctly classified patients.
    """

    lesions: tuple[FoldImages, ...]
    lesion_free: tuple[FoldImages, ...]
    nigra: dict[str, NDArray[np.bool_]]

    @property
    def groups(self) -> dict[str, str]:
        """Group of each scan, which is not split."""
        return {
            scan.name: scan.group
            for images in (*self.lesions, *self.lesion_free)
            for scan in images.scans
        }

    @property
    def by_fold(self) -> list[FoldImages]:
        """All images, merged by fold."""
        folds: dict[int, list[FoldImages]] = {}
        for images in (*self.lesions, *self.lesion_free):
            folds.setdefault(images.fold, []).append(images)
        return [
            FoldImages(
                fold,
                tuple(chain.from_iterable(one.scans for one in parts)),
                tuple(chain.from_iterable(one.prepared for one in parts)),
                torch.cat([one.classes for one in parts]),
                tuple(chain.from_iterable(one.masks for one in parts)),
            )
            for fold, parts in sorted(folds.items())
        ]


def check_masks(opened: OpenedCohort) -> None:
    """Raise InputError, before training, if too few test scans have a mask."""
    _check_subjects(
        opened,
        [
            scan
            for scan in opened.cohort.scans
            if scan.mask is not None and scan.split in (None, "test")
        ],
    )


def choose_images(opened: OpenedCohort, runs: UnitRuns, device: torch.device) -> MeasuredImages:
    """Select and read the images that a unit measures.

    The selection depends only on the scans' names, so that all seeds of a cohort with a test split
    measure the same images.

    Raises
    ------
    InputError
        If fewer than two unseen subjects have a mask with a lesion.
    """
    most = opened.plan.sizes.images
    predicted = {one.scan: one.predicted for one in runs.logits.predictions}
    tested = [scan for scan in opened.cohort.scans if scan.name in predicted]
    healthy = lesion_free_classes(opened.cohort.scans)
    lesions: list[Scan] = []
    lesion_free: list[Scan] = []
    nigra: dict[str, NDArray[np.bool_]] = {}
    for scan in _shuffled(tested):
        if len(lesions) >= most and len(lesion_free) >= most:
            break
        if scan.mask is None:
            chosen = lesion_free if scan.label in healthy else None
        else:
            image = read_scan(scan)
            chosen = lesions if read_mask(scan.mask, image).any() else lesion_free
        if chosen is None or len(chosen) >= most:
            continue
        chosen.append(scan)
        correct = predicted[scan.name] == scan.label
        if chosen is lesions and correct and scan.participant in opened.nigra:
            nigra[scan.name] = read_mask(opened.nigra[scan.participant], image)
    _check_subjects(opened, lesions)
    diseased = sorted({str(scan.label) for scan in lesions})
    return MeasuredImages(
        tuple(unseen_images(runs.logits, _by_name(lesions))),
        tuple(
            _as_diseased(runs.logits, images, diseased, device)
            for images in unseen_images(runs.logits, _by_name(lesion_free))
        ),
        nigra,
    )


def subset(images: FoldImages, places: Sequence[int]) -> FoldImages:
    """Return the images at some indices, in the given order."""
    return FoldImages(
        images.fold,
        tuple(images.scans[place] for place in places),
        tuple(images.prepared[place] for place in places),
        images.classes[list(places)],
        tuple(images.masks[place] for place in places),
    )


def sample_images(folds: Sequence[FoldImages], most: int) -> list[FoldImages]:
    """Return at most so many images, selected by the scans' names and groups alone.

    One of each group first, then a second of each, and so on.
    """
    everyone = _shuffled(scan for images in folds for scan in images.scans)
    taken: Counter[str] = Counter()
    turns: dict[str, int] = {}
    for scan in everyone:
        turns[scan.name] = taken[scan.group]
        taken[scan.group] += 1
    names = set(sorted(turns, key=lambda name: turns[name])[:most])
    places = [
        [place for place, scan in enumerate(images.scans) if scan.name in names] for images in folds
    ]
    return [subset(images, some) for images, some in zip(folds, places, strict=True) if some]


def subjects_table(scans: Iterable[Scan], measured: MeasuredImages) -> pd.DataFrame:
    """Return one row per test scan, with the size and contrast of its lesion.

    They are NaN for images that were not measured; without a lesion the size is 0. ``has_mask`` is
    true for measured images with a lesion.
    """
    masks = {
        scan.name: mask
        for images in (*measured.lesions, *measured.lesion_free)
        for scan, mask in zip(images.scans, images.masks, strict=True)
    }
    rows = []
    for scan in _by_name(scans):
        mask = masks.get(scan.name)
        ill = mask is not None and bool(mask.any())
        share = 0.0 if scan.name in masks else float("nan")
        rows.append(
            {
                "subject": scan.name,
                "group": scan.group,
                "label": scan.label,
                "lesion_share": float(mask.mean()) if mask is not None and ill else share,
                "contrast": (
                    lesion_contrast(read_scan(scan), mask)
                    if mask is not None and ill
                    else float("nan")
                ),
                "has_mask": ill,
            }
        )
    return pd.DataFrame(rows)


def lesion_contrast(image: Image, mask: NDArray[np.bool_]) -> float:
    """Return the difference of the means in a lesion and in the 5 voxels around it.

    In standard deviations of the image; the largest over channels. NaN if nothing surrounds the
    lesion, or the image is constant.
    """
    structure = generate_binary_structure(mask.ndim, mask.ndim)
    around = binary_dilation(mask, structure, iterations=_SURROUNDINGS) & ~mask
    if not around.any():
        return float("nan")
    values = [
        abs(float(channel[mask].mean() - channel[around].mean())) / float(channel.std())
        for channel in image.voxels.astype(np.float64)
        if channel.std() > 0
    ]
    return max(values, default=float("nan"))


def _check_subjects(opened: OpenedCohort, lesions: Sequence[Scan]) -> None:
    subjects = len({scan.group for scan in lesions})
    if subjects < 2:
        raise InputError(
            f"{opened.plan.name}: of what is tested, {subjects} subjects have a mask with a lesion "
            "and two are needed: give masks in the table's column mask, in the split test where "
            "it has a split"
        )


def _shuffled(scans: Iterable[Scan]) -> list[Scan]:
    ordered = _by_name(scans)
    return [ordered[place] for place in np.random.default_rng(0).permutation(len(ordered))]


def _by_name(scans: Iterable[Scan]) -> tuple[Scan, ...]:
    return tuple(sorted(scans, key=lambda scan: scan.name))


def _as_diseased(
    run: Run, images: FoldImages, diseased: list[str], device: torch.device
) -> FoldImages:
    """Set each image's class to the most probable one with lesions."""
    columns = torch.tensor([run.classes.index(name) for name in diseased])
    model = run.explainer(images.fold).model.to(device)
    with torch.no_grad():
        logits = torch.cat(
            [
                model(to_device_of(model, images.voxels(place, place + 1))).cpu()
                for place in range(len(images.scans))
            ]
        )
    return replace(images, classes=columns[logits[:, columns].argmax(1)])
