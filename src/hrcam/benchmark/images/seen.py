"""The images that a fold of a run has learnt from, read and prepared for its network."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from hrcam.benchmark.images.unseen import FoldImages
from hrcam.cohort import Scan
from hrcam.cohort.reading import read_mask, read_scan
from hrcam.cohort.voxel_hash import voxel_hash
from hrcam.preparation import PreparedImage
from hrcam.training import Run


def seen_images(
    run: Run, fold: int, scans: Sequence[Scan], *, most: int, seed: int = 0
) -> FoldImages:
    """Read some of the scans that a fold was trained on, or stopped by.

    Parameters
    ----------
    run
        A finished training.
    fold
        Counted from 1.
    scans
        Of the run's cohort; those that the fold has not seen are passed over.
    most
        How many are read and kept; a cohort of thousands need not be in memory.
    seed
        Of which ones.

    Returns
    -------
    FoldImages
        In the order in which they were drawn; there may be none.

    Raises
    ------
    ImageError
        If an image or a mask cannot be read.
    """
    rows: list[tuple[Scan, PreparedImage, NDArray[np.bool_] | None]] = []
    for index in np.random.default_rng(seed).permutation(len(scans)):
        if len(rows) == most:
            break
        scan = scans[index]
        if scan.label not in run.classes:
            continue
        image = read_scan(scan)
        unseen_by, seen = run.folds_for(scan, voxel_hash(image))
        if fold in unseen_by and not seen:
            continue
        mask = None if scan.mask is None else read_mask(scan.mask, image)
        rows.append((scan, run.preparation.apply(image), mask))
    return FoldImages(
        fold,
        tuple(scan for scan, _, _ in rows),
        tuple(prepared for _, prepared, _ in rows),
        torch.tensor([run.classes.index(str(scan.label)) for scan, _, _ in rows], dtype=torch.long),
        tuple(mask for _, _, mask in rows),
    )
