"""The prepared images of a cohort, memory-mapped from disk, with what is learnt of them."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray

from hrcam.artifacts.atomic import check_writable, replacing
from hrcam.artifacts.cache import Cache
from hrcam.cohort.scan import Scan
from hrcam.preparation import Preparation
from hrcam.preparation.prepared_scan import prepare_scan
from hrcam.progress import tracked
from hrcam.training.tasks import Targets


@dataclass(frozen=True)
class Samples:
    """Prepared images with their scans and targets.

    Attributes
    ----------
    scans
        Scans, all with a label.
    images
        Prepared images, shape (N, C, *grid), memory-mapped.
    targets
        What is learnt of each scan, shape (N,) or (N, K).
    """

    scans: tuple[Scan, ...]
    images: NDArray[np.float32]
    targets: Targets

    def indices(self, names: Sequence[str]) -> NDArray[np.int64]:
        """Return the indices of scans by name, in the given order."""
        places = {scan.name: index for index, scan in enumerate(self.scans)}
        return np.array([places[name] for name in names], dtype=np.int64)


def prepare_samples(
    scans: Sequence[Scan],
    targets: Targets,
    preparation: Preparation,
    path: Path,
    *,
    workers: int | None = None,
    cache: Cache | None = None,
    progress: bool = False,
) -> Samples:
    """Decode and prepare every scan once, or load the array of an earlier call.

    Parameters
    ----------
    scans
        Checked scans with labels.
    targets
        What is learnt of each, shape (N,) or (N, K).
    preparation
        Preparation for the network's grid.
    path
        Path of the array, ``.npy``; written atomically.
    workers
        Number of threads; None for one per core.
    cache
        Of prepared scans.
    progress
        Show how far the work is: a bar on a terminal, else a line in the log every 30 seconds.

    Raises
    ------
    MachineError
        If the disk has no room for them.
    """
    if not path.is_file():
        for left in path.parent.glob(f".{path.name}.*.partial"):  # of a job that was killed
            left.unlink(missing_ok=True)
        shape = (len(scans), preparation.in_channels, *preparation.shape)
        check_writable(path.parent, needed=4 * math.prod(shape))
        with replacing(path, durable=False) as partial:
            images = np.lib.format.open_memmap(partial, "w+", np.float32, shape)
            prepared = _prepared(scans, preparation, workers, cache)
            for index, voxels in enumerate(
                tracked(prepared, len(scans), "preparing", "scans", shown=progress)
            ):
                images[index] = voxels
            images.flush()
    images = np.load(path, mmap_mode="r")
    return Samples(tuple(scans), images, targets)


def _prepared(
    scans: Sequence[Scan], preparation: Preparation, workers: int | None, cache: Cache | None
) -> Iterator[NDArray[np.float32]]:
    def prepare(scan: Scan) -> NDArray[np.float32]:
        return prepare_scan(scan, preparation, cache).prepared.voxels

    # Threads, because decoding and resampling release the GIL, and each process would import MONAI.
    parallel = Parallel(n_jobs=workers or -1, prefer="threads", return_as="generator")
    results: Iterator[NDArray[np.float32]] = parallel(delayed(prepare)(scan) for scan in scans)
    return results
