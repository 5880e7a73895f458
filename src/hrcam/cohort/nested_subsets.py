"""Fewer training subjects of a fold, to see what further ones bring."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import ceil

import numpy as np

from hrcam.cohort.related import related_scans
from hrcam.cohort.scan import Scan
from hrcam.cohort.splits import Fold
from hrcam.errors import InputError


def nested_subset(
    fold: Fold, scans: Sequence[Scan], voxel_hashes: Mapping[str, str], share: float, seed: int = 0
) -> Fold:
    """Return a fold with a share of its training and validation subjects, and all that are tested.

    Subjects are whole sets of scans that must stay together, and stratified by class, at least
    one of each. A smaller share of the same seed is part of a larger one.

    Parameters
    ----------
    fold
        With all subjects.
    scans
        Of the cohort.
    voxel_hashes
        As for `hrcam.cohort.splits.make_folds`.
    share
        Above 0, at most 1.
    seed
        Of the choice.

    Raises
    ------
    InputError
        If the share is out of range.
    """
    if not 0 < share <= 1:
        raise InputError(f"share is {share}: use a number above 0, and at most 1")

    def part(names: tuple[str, ...]) -> tuple[str, ...]:
        wanted = set(names)
        members = related_scans([one for one in scans if one.name in wanted], voxel_hashes)
        strata: dict[tuple[str, ...], list[tuple[Scan, ...]]] = {}
        for each in members:
            strata.setdefault(tuple(sorted({str(scan.label) for scan in each})), []).append(each)
        rng = np.random.default_rng(seed)
        kept = [
            scan.name
            for _, sets in sorted(strata.items())
            for place in rng.permutation(len(sets))[: ceil(share * len(sets))]
            for scan in sets[place]
        ]
        return tuple(sorted(kept))

    return replace(fold, train=part(fold.train), validation=part(fold.validation))


def subjects_of(fold: Fold, scans: Sequence[Scan]) -> int:
    """Return how many groups of scans a fold's network learns from or stops by."""
    known = {*fold.train, *fold.validation}
    return len({scan.group for scan in scans if scan.name in known})
