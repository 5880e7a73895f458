"""Which unseen images of a cohort are measured: some with a mask, and some without a lesion."""

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
from hrcam.benchmark.images.unseen import FoldImages, unseen_images
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
    """Unseen images of a unit, by fold; each scan in one of them at most.

    Attributes
    ----------
    lesions
        Images whose mask is not empty, with their true classes.
    lesion_free
        Images without a lesion; their class is the one of those with lesions that the CNN finds
        most likely: what would have to be explained if it were wrong.
    nigra
        Masks of the substantia nigra, by scan, of patients whose class the CNN tells correctly.
    """

    lesions: tuple[FoldImages, ...]
    lesion_free: tuple[FoldImages, ...]
    nigra: dict[str, NDArray[np.bool_]]

    @property
    def groups(self) -> dict[str, str]:
        """What must not be on both sides of a split, by scan."""
        return {
            scan.name: scan.group
            for images in (*self.lesions, *self.lesion_free)
            for scan in images.scans
        }

    @property
    def by_fold(self) -> list[FoldImages]:
        """All of them, each fold's together."""
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
    """See that there can be something to score, before hours of training; raises InputError."""
    _check_subjects(
        opened,
        [
            scan
            for scan in opened.cohort.scans
            if scan.mask is not None and scan.split in (None, "test")
        ],
    )


def choose_images(opened: OpenedCohort, runs: UnitRuns, device: torch.device) -> MeasuredImages:
    """Choose and read the images that a unit is measured on.

    Which they are depends on the scans' names alone, so that all seeds of a cohort with a test
    split measure the same.

    Raises
    ------
    InputError
        If fewer than two subjects that were not trained on have a mask: nothing can be scored.
    """
    most = opened.plan.effort.images
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


def part_of(images: FoldImages, places: Sequence[int]) -> FoldImages:
    """Return some of a fold's images, in the order of their places."""
    return FoldImages(
        images.fold,
        tuple(images.scans[place] for place in places),
        tuple(images.prepared[place] for place in places),
        images.classes[list(places)],
        tuple(images.masks[place] for place in places),
    )


def some_images(folds: Sequence[FoldImages], most: int) -> list[FoldImages]:
    """Return at most so many images; which ones depends on the scans' names and groups alone.

    Of each group one, then of each another, and so on: two groups give two to compare.
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
    return [part_of(images, some) for images, some in zip(folds, places, strict=True) if some]


def subjects_table(scans: Iterable[Scan], measured: MeasuredImages) -> pd.DataFrame:
    """Return one row per tested scan: how large its lesion is, and how it stands out.

    Sizes and contrasts are of the images that were measured, and NaN for others; without a lesion
    the size is 0. ``has_mask`` says who has a lesion in a mask, and was measured.
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
    """Return how far a lesion's mean is from that of the 5 voxels around it.

    In standard deviations of the image; of several channels the largest. NaN where nothing is
    around the lesion, or the image is constant.
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
    """Set each image's class to the likeliest of those with lesions."""
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
