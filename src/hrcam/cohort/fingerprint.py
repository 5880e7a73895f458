"""A cohort in numbers: what a preparation is chosen from, and a confounder is seen in."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from hrcam.cohort.check.consistency import duplicates
from hrcam.cohort.check.examination import PERCENTILES
from hrcam.cohort.facts import ScanFacts
from hrcam.cohort.opening.grouping import groups_by_name
from hrcam.cohort.scan import Cohort, Scan, TaskName
from hrcam.cohort.several_labels import answers_in
from hrcam.cohort.values import value_of

NONE = "n/a"
"""Key for scans without a label, a site or a split."""


@dataclass(frozen=True)
class Spread:
    """How numbers along each axis vary over the scans.

    Attributes
    ----------
    minimum, median, maximum
        Of each axis on its own.
    different
        How many different tuples there are.
    """

    minimum: tuple[float, ...]
    median: tuple[float, ...]
    maximum: tuple[float, ...]
    different: int


@dataclass(frozen=True)
class Fingerprint:
    """Counts and ranges over the accepted scans.

    Attributes
    ----------
    scans, participants, masks
        How many there are.
    likely_participants
        Fewer than ``participants``, if images of which only the name says whom they show have
        names that share a stem.
    channels
        Names of the images of each scan.
    classes, sites, splits, formats, orientations
        Scans of each; "n/a" where it is missing.
    classes_by_site
        Scans of each class, for each site; empty if no site is known.
    labels
        Scans with each label, and scans without it, where several labels are learnt at once;
        otherwise empty. ``classes`` and ``classes_by_site`` are then empty.
    values
        Of labels that are numbers, for regression; None where they are classes, and then
        ``classes`` and ``classes_by_site`` are empty.
    shape, foreground
        In voxels.
    spacing
        In mm; 1 for pictures and arrays.
    intensities
        For each channel, and each of its 0.5, 25, 50, 75 and 99.5 % percentiles by name, the
        least, the median and the greatest value over the scans.
    duplicates
        Names of scans with the same voxels.
    """

    scans: int
    participants: int
    likely_participants: int
    masks: int
    channels: tuple[str, ...]
    classes: Mapping[str, int]
    sites: Mapping[str, int]
    splits: Mapping[str, int]
    formats: Mapping[str, int]
    orientations: Mapping[str, int]
    classes_by_site: Mapping[str, Mapping[str, int]]
    shape: Spread | None
    spacing: Spread | None
    foreground: Spread | None
    intensities: tuple[Mapping[str, tuple[float, ...]], ...]
    duplicates: tuple[tuple[str, ...], ...]
    values: Spread | None = None
    labels: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return all of it in types that JSON has."""
        return asdict(self)


def take_fingerprint(
    cohort: Cohort, facts: Mapping[str, ScanFacts], task: TaskName = "classification"
) -> Fingerprint:
    """Summarise a cohort.

    Parameters
    ----------
    cohort
        Accepted scans: of one number of dimensions and of channels.
    facts
        By the name of the scan.
    task
        What the labels are.

    Returns
    -------
    Fingerprint
        Its spreads are None for a cohort without scans.
    """
    scans = cohort.scans
    known = [facts[scan.name] for scan in scans]
    sites = sorted({scan.site or NONE for scan in scans})
    classes = task == "classification"
    by_site = {
        site: _counts(scan.label for scan in scans if (scan.site or NONE) == site) for site in sites
    }
    participants = len({scan.participant for scan in scans})
    shared = groups_by_name(scans)
    return Fingerprint(
        scans=len(scans),
        participants=participants,
        likely_participants=participants - (shared.surplus if shared else 0),
        masks=sum(scan.mask is not None for scan in scans),
        channels=cohort.channels,
        classes=_counts(scan.label for scan in scans) if classes else {},
        sites=_counts(scan.site for scan in scans),
        splits=_counts(scan.split for scan in scans),
        formats=_counts(fact.format for fact in known),
        orientations=_counts(fact.orientation for fact in known),
        classes_by_site=by_site if classes and sites != [NONE] else {},
        shape=_spread([fact.shape for fact in known]),
        spacing=_spread([fact.spacing for fact in known]),
        foreground=_spread([fact.foreground for fact in known]),
        intensities=_intensities(known),
        duplicates=tuple(tuple(s.name for s in copies) for copies in duplicates(scans, facts)),
        values=_spread([(value_of(scan),) for scan in scans]) if task == "regression" else None,
        labels=_answers(scans) if task == "labels" else {},
    )


def _answers(scans: Sequence[Scan]) -> dict[str, tuple[int, int]]:
    """How many scans have each label, and how many are known to lack it."""
    found = [answers_in(scan.label) for scan in scans if scan.label is not None]
    names = dict.fromkeys(name for answers in found for name in answers)
    return {
        name: (
            sum(answers.get(name) is True for answers in found),
            sum(answers.get(name) is False for answers in found),
        )
        for name in names
    }


def _counts(values: Iterable[str | None]) -> dict[str, int]:
    """How often each value occurs, the most frequent first."""
    counts = Counter(value or NONE for value in values)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _spread(values: Sequence[tuple[float, ...]]) -> Spread | None:
    if not values:
        return None
    table = np.array(values, dtype=float)
    return Spread(
        minimum=tuple(table.min(0).tolist()),
        median=tuple(np.median(table, axis=0).tolist()),
        maximum=tuple(table.max(0).tolist()),
        different=len(set(values)),
    )


def _intensities(
    facts: Sequence[ScanFacts],
) -> tuple[dict[str, tuple[float, ...]], ...]:
    if not facts:
        return ()
    table = np.array([fact.percentiles for fact in facts])  # scan, channel, percentile
    ends = np.stack([table.min(0), np.median(table, axis=0), table.max(0)], axis=-1)
    return tuple(
        {f"{p:g}%": tuple(row) for p, row in zip(PERCENTILES, rows, strict=True)}
        for rows in ends.tolist()
    )
