"""The images that a fold of a run has not seen, read and prepared for its network."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from hrcam.cohort import Scan
from hrcam.cohort.reading import read_mask, read_scan
from hrcam.cohort.voxel_hash import voxel_hash
from hrcam.preparation import PreparedImage
from hrcam.training import Run


@dataclass(frozen=True)
class FoldImages:
    """Test images of one fold, in one order throughout.

    Attributes
    ----------
    fold
        Counted from 1.
    scans
        Of the cohort, each with a label that the run knows.
    prepared
        Each in the network's grid, with its way back to the scan's own voxels.
    classes
        Each image's true class, shape (B,).
    masks
        In the scans' own voxels; None where nobody has drawn one. All False: nothing there.
    """

    fold: int
    scans: tuple[Scan, ...]
    prepared: tuple[PreparedImage, ...]
    classes: torch.Tensor
    masks: tuple[NDArray[np.bool_] | None, ...]

    def voxels(self, start: int = 0, stop: int | None = None) -> torch.Tensor:
        """Return the images for the network, (B, C, *spatial)."""
        return torch.from_numpy(np.stack([one.voxels for one in self.prepared[start:stop]]))


def unseen_images(run: Run, scans: tuple[Scan, ...]) -> list[FoldImages]:
    """Read the scans whose label the run knows, each for the fold that has not seen it."""
    chosen: dict[int, list[tuple[Scan, PreparedImage, NDArray[np.bool_] | None]]] = {}
    for scan in scans:
        if scan.label not in run.classes:
            continue
        image = read_scan(scan)
        folds, seen = run.folds_for(scan, voxel_hash(image))
        if seen or len(folds) != 1:
            continue
        mask = None if scan.mask is None else read_mask(scan.mask, image)
        chosen.setdefault(folds[0], []).append((scan, run.preparation.apply(image), mask))
    return [
        FoldImages(
            fold,
            tuple(scan for scan, _, _ in rows),
            tuple(prepared for _, prepared, _ in rows),
            torch.tensor([run.classes.index(str(scan.label)) for scan, _, _ in rows]),
            tuple(mask for _, _, mask in rows),
        )
        for fold, rows in sorted(chosen.items())
    ]
