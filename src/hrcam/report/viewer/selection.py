"""Select the scans that a page shows if it cannot show all."""

from collections.abc import Sequence

import numpy as np

from hrcam.artifacts.scan_record import ScanRecord


def select(records: Sequence[ScanRecord], limit: int) -> tuple[ScanRecord, ...]:
    """Choose scans for the page: of every class, right and wrong, sure and unsure.

    Scans that no network was trained on come first; the others fill up. Each stratum gets the same
    number of scans, if it has enough; within one they are evenly spaced by confidence, or by the
    predicted value. The
    selection is deterministic.

    Parameters
    ----------
    records
        All scans.
    limit
        Largest number of scans, 1 or more.

    Returns
    -------
    tuple of ScanRecord
        The selected scans, in the given order.
    """
    unseen = [record for record in records if not record.seen_in_training]
    seen = [record for record in records if record.seen_in_training]
    chosen = _stratified(unseen, limit)
    chosen |= _stratified(seen, limit - len(chosen))
    return tuple(record for record in records if id(record) in chosen)


def _stratified(records: Sequence[ScanRecord], limit: int) -> set[int]:
    """Return the ids of the selected records."""
    strata: dict[tuple[str, str], list[ScanRecord]] = {}
    for record in records:
        strata.setdefault((record.stratum or "", record.outcome), []).append(record)
    places = _places([len(stratum) for stratum in strata.values()], limit)
    chosen: set[int] = set()
    for stratum, count in zip(strata.values(), places, strict=True):
        ranked = sorted(stratum, key=lambda record: (-record.prediction.confidence, record.scan))
        for index in np.linspace(0, len(ranked) - 1, count).round().astype(int):
            chosen.add(id(ranked[index]))
    return chosen


def _places(sizes: Sequence[int], limit: int) -> list[int]:
    """Distribute places one by one to the strata that have scans left, the smallest first."""
    places = [0] * len(sizes)
    order = sorted(range(len(sizes)), key=lambda index: sizes[index])
    left = min(limit, sum(sizes))
    while left:
        for index in order:
            if left and places[index] < sizes[index]:
                places[index] += 1
                left -= 1
    return places
