"""The colour scale of the overlays of a cohort, from the maps of some of its pictures."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hrcam.artifacts.cache import Cache
from hrcam.artifacts.overlay_scale import keep_overlay_limit, read_overlay_limit
from hrcam.cohort.problems import Problem
from hrcam.cohort.scan import Scan
from hrcam.errors import MachineError
from hrcam.mapping.mapper import Mapper
from hrcam.mapping.reading import read_ahead
from hrcam.preparation import Preparation
from hrcam.preparation.prepared_scan import PreparedScan
from hrcam.sanity.check_folder import by_chance

logger = logging.getLogger(__name__)

SAMPLE = 32
"""Number of pictures by whose maps the scale is chosen."""

# As in a report: so that few extreme values do not make all others pale.
_PLACES, _SCANS = 99.9, 95.0


def overlay_limit(
    folder: Path,
    scans: Sequence[Scan],
    preparation: Preparation,
    mapper: Mapper,
    workers: int,
    cache: Cache | None,
) -> float | None:
    """Return the value of the pattern that has the strongest colour in all overlays of a folder.

    It is the one that was kept in the folder. In a new folder it is chosen: the 95th percentile
    over `SAMPLE` scans, drawn by a hash of their names, of the 99.9th percentile of their patterns'
    sizes. So all jobs of a cohort choose alike, and no map is scaled to its own maximum, which
    would show a lesion in a normal image.

    Parameters
    ----------
    folder
        The folder of maps.
    scans
        The whole cohort, also of a job that maps a part of it.
    preparation, mapper, workers, cache
        Read and explain scans; see `hrcam.mapping.reading.read_ahead`.

    Returns
    -------
    The limit; None where there are no overlays, as images are volumes or have a place in space.

    Raises
    ------
    MachineError
        If memory or the device fails.
    InputError
        If the file in the folder is damaged, or of a newer version.
    """
    if not has_overlays(preparation):
        return None
    kept = read_overlay_limit(folder)
    if kept is not None:
        return kept
    tops: list[float] = []
    chosen = sample_of(scans)
    reading = read_ahead(iter(chosen), lambda scan: scan, preparation, workers, lambda: None, cache)
    for scan, found in reading:
        top = top_of(mapper, scan, found)
        if top is not None:
            tops.append(top)
        if len(tops) == SAMPLE:
            break
    return keep_limit_of(folder, tops)


def has_overlays(preparation: Preparation) -> bool:
    """Tell whether images of a grid are pictures, which get overlays."""
    return preparation.dimensions == 2 and preparation.spacing is None


def sample_of(scans: Sequence[Scan]) -> list[Scan]:
    """Return the scans whose maps choose the scale, in their order, and as many in reserve."""
    return by_chance(scans)[: 2 * SAMPLE]


def top_of(
    mapper: Mapper, scan: Scan, found: PreparedScan | Problem | MachineError
) -> float | None:
    """Return where the strongest places of a scan's pattern are; None if it has no overlay.

    Raises
    ------
    MachineError
        If memory or the device fails.
    """
    if isinstance(found, MachineError):
        raise found
    if isinstance(found, Problem) or found.picture is None:
        return None
    pattern = mapper.pattern_of(scan, found)
    return None if pattern is None else float(np.percentile(np.abs(pattern), _PLACES))


def keep_limit_of(folder: Path, tops: Sequence[float]) -> float | None:
    """Choose the limit by the first `SAMPLE` scans, and keep it in the folder.

    Parameters
    ----------
    folder
        The folder of maps.
    tops
        From `top_of`.

    Returns
    -------
    The limit that is kept; None without any scan.
    """
    tops = tops[:SAMPLE]
    if not tops:
        return None
    limit = float(f"{np.percentile(tops, _SCANS):.3g}") or 1.0
    logger.info("the colours of the overlays end at ±%.3g, by %d maps", limit, len(tops))
    return keep_overlay_limit(folder, limit, len(tops))
