"""Scans that belong together by the names of their images."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from hrcam.cohort.naming import bids_scan
from hrcam.cohort.opening.name_groups import NameGroups, group_of, likely_groups
from hrcam.cohort.problems import Problem, Reason
from hrcam.cohort.reading import name_without_suffix
from hrcam.cohort.scan import Cohort, Scan
from hrcam.errors import InputError

_VERSION = re.compile(r"_(?:space|res|den|desc)-[A-Za-z0-9]+")
_SHOWN = 3
"""Most groups of names that a message shows."""


def grouped_by(cohort: Cohort, pattern: re.Pattern[str], *, told: bool) -> Cohort:
    """Group scans by the names of their images, and say where the pattern fits no name.

    Parameters
    ----------
    cohort
        The cohort.
    pattern
        What it has in brackets names the group.
    told
        True if a table or a BIDS data set names the participants. Otherwise the pattern has named
        them already.

    Raises
    ------
    InputError
        If the pattern fits no name, or the table has groups of its own.
    """
    names = [image_name(scan) for scan in cohort.scans]
    groups = [group_of(pattern, name) for name in names]
    unmatched = [name for name, group in zip(names, groups, strict=True) if group is None]
    if cohort.scans and len(unmatched) == len(names):
        raise InputError(
            f"group_by is {pattern.pattern!r}, which fits no name, as {unmatched[0]!r}: it is "
            "searched in the names of images without their suffix"
        )
    problems = list(cohort.problems)
    if unmatched:
        problems.append(
            Problem(
                "",
                "",
                Reason.SPLIT_LEAK,
                f"group_by fits {len(names) - len(unmatched)} of {len(names)} names, and not "
                f"{unmatched[0]!r}: the others are not grouped",
                "extend the pattern with | if these images belong together too",
                refused=False,
            )
        )
    if not told:
        return replace(cohort, problems=tuple(problems))
    if any(scan.group != scan.participant for scan in cohort.scans):
        raise InputError(
            f"group_by is {pattern.pattern!r}, and the table has groups of its own: leave out one"
        )
    scans = tuple(
        replace(scan, group=group or scan.group)
        for scan, group in zip(cohort.scans, groups, strict=True)
    )
    return replace(cohort, scans=scans, problems=tuple(problems))


def image_name(scan: Scan) -> str:
    """Return the name of a scan's first image without its suffix."""
    return next((name_without_suffix(path) for path in scan.images.values()), "")


def named_by_image_alone(scan: Scan) -> bool:
    """Tell scans of which only the name of the image says whose they are."""
    name = image_name(scan)
    return scan.group == scan.participant and scan.participant in (name, f"{scan.label}_{name}")


def groups_by_name(scans: Sequence[Scan]) -> NameGroups | None:
    """Find images that likely show one person, among those of which only their name says whom."""
    alone = [(image_name(scan), scan.label) for scan in scans if named_by_image_alone(scan)]
    return likely_groups(alone)


def several_versions(scans: Sequence[Scan]) -> list[Problem]:
    """Warn of images that names in the manner of BIDS tell in several spaces or forms."""
    versions: defaultdict[str, list[str]] = defaultdict(list)
    for scan in scans:
        name = image_name(scan)
        if bids_scan(name):
            versions[_VERSION.sub("", name)].append(name)
    several = [names for names in versions.values() if len(set(names)) > 1]
    if not several:
        return []
    first, second, *_ = several[0]
    return [
        Problem(
            "",
            "",
            Reason.DUPLICATE_NAME,
            f"images in several versions: {len(several)}, as {first!r} and {second!r}; each "
            "version counts as a scan",
            "keep one version of each, or give the BIDS data set itself and choose one with "
            "--space and --desc",
            refused=False,
        )
    ]


def shared_names(scans: Sequence[Scan]) -> list[Problem]:
    """Warn of names that likely are several images of one person."""
    found = groups_by_name(scans)
    if found is None:
        return []
    shown = [
        f"{key!r} ({len(names)}: {names[0]!r}, {names[1]!r}{', ...' if len(names) > 2 else ''})"
        for key, names in list(found.groups.items())[:_SHOWN]
    ]
    more = len(found.groups) - len(shown)
    count = sum(map(len, found.groups.values()))
    return [
        Problem(
            "",
            "",
            Reason.SPLIT_LEAK,
            f"{count} names look like several images of {len(found.groups)} participants: "
            f"{', '.join(shown)}{f' and {more} more' if more else ''}; each image is taken for a "
            "participant of its own, who may be on both sides of a split",
            f"keep them together with --group-by '{found.pattern}' (group_by=...), put the images "
            "of a participant into a folder of that name, or list them in a table with "
            "participant_id",
            refused=False,
        )
    ]
