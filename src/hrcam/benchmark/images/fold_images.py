"""Read and prepare the images that a fold was trained on, and those that it was not."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from hrcam.cohort import Scan
from hrcam.cohort.image import Image
from hrcam.cohort.reading import read_mask, read_scan
from hrcam.cohort.voxel_hash import voxel_hash
from hrcam.preparation import PreparedImage
from hrcam.training import Run

_Row = tuple[Scan, PreparedImage, NDArray[np.bool_] | None]


@dataclass(frozen=True)
class FoldImages:
    """Images of one fold; all attributes are in the same order.

    Attributes
    ----------
    fold
        Counted from 1.
    scans
        Scans, each with a label of the run's classes.
    prepared
        Images on the network's grid, with the transform to the scan's voxels.
    classes
        Class of each image, shape (B,).
    masks
        Masks in the scans' own voxels; None if not annotated, all False if there is no lesion.
    """

    fold: int
    scans: tuple[Scan, ...]
    prepared: tuple[PreparedImage, ...]
    classes: torch.Tensor
    masks: tuple[NDArray[np.bool_] | None, ...]

    def voxels(self, start: int = 0, stop: int | None = None) -> torch.Tensor:
        """Return the images for the network, (B, C, *spatial)."""
        return torch.from_numpy(np.stack([one.voxels for one in self.prepared[start:stop]]))


def unseen_images(run: Run, scans: Sequence[Scan]) -> list[FoldImages]:
    """Read the scans whose label the run knows, each for the fold that was not trained on it.

    Raises
    ------
    ImageError
        If an image or a mask cannot be read.
    """
    by_fold: dict[int, list[_Row]] = {}
    for scan in scans:
        if scan.label not in run.classes:
            continue
        image = read_scan(scan)
        folds, seen = run.folds_for(scan, voxel_hash(image))
        if not seen and len(folds) == 1:
            by_fold.setdefault(folds[0], []).append(_read(run, scan, image))
    return [_gathered(run, fold, rows) for fold, rows in sorted(by_fold.items())]


def seen_images(
    run: Run, fold: int, scans: Sequence[Scan], *, most: int, seed: int = 0
) -> FoldImages:
    """Read some of the training and validation scans of a fold.

    Parameters
    ----------
    run
        A finished training.
    fold
        Counted from 1.
    scans
        Scans of the run's cohort; unseen ones are skipped.
    most
        Largest number of images, which are all kept in memory.
    seed
        Random seed of the selection.

    Returns
    -------
    FoldImages
        The images in random order; may be empty.

    Raises
    ------
    ImageError
        If an image or a mask cannot be read.
    """
    rows: list[_Row] = []
    for index in np.random.default_rng(seed).permutation(len(scans)):
        if len(rows) == most:
            break
        scan = scans[index]
        if scan.label not in run.classes:
            continue
        image = read_scan(scan)
        unseen_by, seen = run.folds_for(scan, voxel_hash(image))
        if seen or fold not in unseen_by:
            rows.append(_read(run, scan, image))
    return _gathered(run, fold, rows)


def _read(run: Run, scan: Scan, image: Image) -> _Row:
    mask = None if scan.mask is None else read_mask(scan.mask, image)
    return scan, run.preparation.apply(image), mask


def _gathered(run: Run, fold: int, rows: Sequence[_Row]) -> FoldImages:
    labels = [run.classes.index(str(scan.label)) for scan, _, _ in rows]
    return FoldImages(
        fold,
        tuple(scan for scan, _, _ in rows),
        tuple(prepared for _, prepared, _ in rows),
        torch.tensor(labels, dtype=torch.long),
        tuple(mask for _, _, mask in rows),
    )
