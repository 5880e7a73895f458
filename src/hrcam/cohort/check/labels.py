"""Whether the labels of a cohort are classes that can be learnt, and tested on other people."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import permutations

from hrcam.cohort.check.consistency import Shown
from hrcam.cohort.naming import same_when_read
from hrcam.cohort.problems import Problem, Reason
from hrcam.cohort.reasons import problem
from hrcam.cohort.related import related_scans
from hrcam.cohort.scan import Scan, TaskName
from hrcam.cohort.values import number_in

LISTED = 6
"""Most classes that a message lists."""

MEASUREMENTS = 5
"""Fewest different numbers that are taken for measurements, if half of the participants differ."""

MANY_NUMBERS = 20
"""So many different numbers are measurements even if nearly `SHARED` participants have each."""

GRADES = 6
"""Most classes that are numbers without a warning: 0 to 5."""

SHARED = 5
"""Participants of each number, on average, from which on numbers are classes however many."""

SHARE = 0.1
"""Of the participants of the largest class: a class with fewer is warned of."""

FEW = 3
"""Most participants of a class that may be a misspelling of another, or a tenth of that other."""


def label_problems(
    scans: Sequence[Scan], shown: Shown, task: TaskName = "classification"
) -> list[Problem]:
    """Find missing labels.

    Parameters
    ----------
    scans
        Scans that can be used otherwise.
    shown
        How to show the image of a scan.
    task
        What the labels are to be.

    Returns
    -------
    list of Problem
        One refusal for each scan, or one warning of the cohort if no scan has a label: it can be
        mapped.
    """
    if scans and all(scan.label is None for scan in scans):
        return [_no_labels(scans)]
    found = [
        problem(scan.name, shown(scan), Reason.NO_LABEL, "no label")
        for scan in scans
        if scan.label is None
    ]
    if task == "regression":
        return [replace(one, advice=_NO_NUMBER) for one in found]
    return found


_NO_NUMBER = "fill in the number in the column of the labels, or leave the scan out"


def _no_labels(scans: Sequence[Scan]) -> Problem:
    groups = sorted({scan.group for scan in scans})
    shared = any(scan.group != scan.participant for scan in scans)
    if shared and 1 < len(groups) <= LISTED:
        message = f"no scan has a label; in the column group are {', '.join(map(repr, groups))}"
        advice = "if the column group holds the class, rename it to label"
    else:
        message = "no scan has a label"
        advice = (
            "to train, write the class into the column label of a table, name its column with "
            "--label-column, or put the images into one folder for each class; to map, nothing is "
            "needed"
        )
    return Problem("", "", Reason.NO_LABEL, message, advice, refused=False)


def class_problems(
    scans: Sequence[Scan], voxel_hashes: Mapping[str, str], shown: Shown
) -> list[Problem]:
    """Find classes that cannot be learnt.

    Parameters
    ----------
    scans
        Scans that can be used otherwise, with labels.
    voxel_hashes
        By the name of the scan.
    shown
        How to show the image of a scan.

    Returns
    -------
    list of Problem
        Refusals of scans in classes of one participant, and a warning if more than
        `GRADES` labels are all numbers; or one refusal of the cohort, if its labels are
        measurements or fewer than two classes have two participants.
    """
    related = related_scans(scans, voxel_hashes)
    holders = _holders(related)
    usable = sum(count > 1 for count in holders.values())
    if _are_measurements(holders, len(related)):
        message = (
            f"the labels look like measurements: {len(holders)} different numbers, as "
            f"{', '.join(sorted(holders, key=_size)[:3])}"
        )
        advice = (
            "add --task regression to learn the numbers themselves, or bin them into a few classes "
            "first, as low and high"
        )
        return [Problem("", "", Reason.SMALL_CLASS, message, advice)]
    if scans and usable < 2:
        return [_too_few_classes(scans, voxel_hashes, holders)]
    alone = [
        problem(
            scan.name,
            shown(scan),
            Reason.SMALL_CLASS,
            f"the class {scan.label!r} has one independent participant only",
        )
        for scan in scans
        if holders[str(scan.label)] == 1
    ]
    if len(holders) > GRADES and _are_numbers(holders):
        message = f"{len(holders)} classes, whose labels are numbers"
        advice = "add --task regression if they are values; nothing is needed if they are classes"
        return [Problem("", "", Reason.BAD_VALUE, message, advice, refused=False), *alone]
    return alone


def imbalance_problems(scans: Sequence[Scan], voxel_hashes: Mapping[str, str]) -> list[Problem]:
    """Find classes that are so rare that a network which never names them is nearly always right.

    Parameters
    ----------
    scans
        Scans that can be used, with labels.
    voxel_hashes
        By the name of the scan.

    Returns
    -------
    list of Problem
        A warning for each such class.
    """
    holders = _holders(related_scans(scans, voxel_hashes))
    if not holders:
        return []
    largest, most = max(sorted(holders.items()), key=lambda item: item[1])
    return [
        problem(
            "",
            "",
            Reason.CLASS_IMBALANCE,
            f"the class {label!r} has {count} participants, and {largest!r} has {most}",
            refused=False,
        )
        for label, count in sorted(holders.items())
        if count < SHARE * most
    ]


def spelling_problems(scans: Sequence[Scan]) -> list[Problem]:
    """Find small classes whose name may be a misspelling of a larger one: `pateint`.

    Parameters
    ----------
    scans
        Scans that can be used otherwise, with labels.

    Returns
    -------
    list of Problem
        A warning for each such class.
    """
    participants = {(scan.participant, str(scan.label)) for scan in scans}
    sizes = Counter(label for _, label in participants)
    problems = []
    for small, large in permutations(sorted(sizes), 2):
        few = sizes[small] <= max(FEW, sizes[large] / 10)
        if few and 2 * sizes[small] <= sizes[large] and _is_misspelt(small, large):
            message = (
                f"the class {small!r} has {sizes[small]} participants, and may be a misspelling of "
                f"{large!r}, which has {sizes[large]}"
            )
            problems.append(problem("", "", Reason.DUPLICATE_NAME, message, refused=False))
    return problems


def _is_misspelt(first: str, second: str) -> bool:
    """Tell names that differ by one typing error, or two if long; never `grade 1` and `grade 2`."""
    one, other = same_when_read(first), same_when_read(second)
    if _number_or_letter(one) != _number_or_letter(other):
        return False
    shorter = min(len(one), len(other))
    errors = 0 if shorter < 4 else 1 if shorter < 8 else 2
    return 0 < _edits(one, other) <= errors


def _number_or_letter(name: str) -> list[str]:
    """List numbers and single letters, which tell the members of a series apart."""
    return re.findall(r"\d+|(?<![^\W_])[^\W\d_](?![^\W_])", name)


def _edits(one: str, other: str) -> int:
    """Count the letters that are added, left out, changed or exchanged with their neighbour."""
    rows = [list(range(len(other) + 1))]
    for i, letter in enumerate(one, 1):
        row = [i]
        for j, wanted in enumerate(other, 1):
            best = min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                best = min(best, rows[-2][j - 2] + 1)
            row.append(best)
        rows.append(row)
    return rows[-1][-1]


def _holders(related: Sequence[Sequence[Scan]]) -> Counter[str]:
    """Count the independent participants or groups of each class."""
    return Counter(label for members in related for label in {str(s.label) for s in members})


def _size(label: str) -> float:
    return number_in(label) or 0.0


def _are_measurements(labels: Mapping[str, int], participants: int) -> bool:
    """Tell numbers that are hardly shared from classes, as grades."""
    shared = SHARED if len(labels) >= MANY_NUMBERS else 2
    hardly_shared = len(labels) > participants / shared
    return len(labels) >= MEASUREMENTS and hardly_shared and _are_numbers(labels)


def _are_numbers(labels: Mapping[str, int]) -> bool:
    return all(number_in(label) is not None for label in labels)


def _too_few_classes(
    scans: Sequence[Scan], voxel_hashes: Mapping[str, str], holders: Mapping[str, int]
) -> Problem:
    ungrouped = [replace(scan, group=scan.participant) for scan in scans]
    alone = _holders(related_scans(ungrouped, voxel_hashes))
    if sum(count > 1 for count in alone.values()) > 1:
        groups = Counter(scan.group for scan in scans)
        group, count = groups.most_common(1)[0]
        message = (
            f"the column group leaves no two classes with two independent participants, as "
            f"{group!r} keeps {count} scans together"
        )
        advice = (
            "if the column group holds the class, rename it to label or delete it; otherwise keep "
            "in it only what must not be split, as a family"
        )
        return Problem("", "", Reason.SMALL_CLASS, message, advice)
    found = ", ".join(f"{label!r}: {holders[label]}" for label in sorted(holders)[:LISTED])
    more = f" and {len(holders) - LISTED} more classes" if len(holders) > LISTED else ""
    message = f"two classes with two participants each are needed, here are {found}{more}"
    return problem("", "", Reason.SMALL_CLASS, message)
