"""What is wrong with a cohort as a whole: each scan may be sound and still not fit the others."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence, Set

from hrcam.cohort.facts import ScanFacts
from hrcam.cohort.opening.participants import SPLITS
from hrcam.cohort.problems import Problem, Reason
from hrcam.cohort.reasons import problem
from hrcam.cohort.related import related_scans
from hrcam.cohort.scan import Scan

Shown = Callable[[Scan], str]


def image_problems(
    scans: Sequence[Scan], facts: Mapping[str, ScanFacts], shown: Shown
) -> list[Problem]:
    """Compare the images: dimensions, channels, shapes and voxel sizes.

    One network reads either slices or volumes, with one number of channels: the scans that
    differ from most are refused. Shapes and voxel sizes may differ, and are reported once.

    Parameters
    ----------
    scans
        Scans that were decoded.
    facts
        By the name of the scan.
    shown
        How to show the image of a scan.

    Returns
    -------
    list of Problem
        Refusals and warnings.
    """
    problems = []
    dimensions = {scan.name: len(facts[scan.name].shape) for scan in scans}
    usual = _most(dimensions)
    for scan in scans:
        if dimensions[scan.name] != usual:
            message = f"{dimensions[scan.name]}D, while most scans of the cohort are {usual}D"
            problems.append(problem(scan.name, shown(scan), Reason.MIXED_DIMENSIONS, message))
    alike = [scan for scan in scans if dimensions[scan.name] == usual]
    channels = {scan.name: len(facts[scan.name].percentiles) for scan in alike}
    usual_channels = _most(channels)
    for scan in alike:
        if channels[scan.name] != usual_channels:
            message = f"{channels[scan.name]} channels, while most scans have {usual_channels}"
            problems.append(problem(scan.name, shown(scan), Reason.CHANNEL_MISMATCH, message))
    alike = [scan for scan in alike if channels[scan.name] == usual_channels]
    shapes = {facts[scan.name].shape for scan in alike}
    spacings = {tuple(round(s, 3) for s in facts[scan.name].spacing) for scan in alike}
    differing = []
    if len(shapes) > 1:
        differing.append(f"{len(shapes)} different shapes from {_range(shapes)}")
    if len(spacings) > 1:
        differing.append(f"{len(spacings)} different voxel sizes from {_range(spacings)} mm")
    if differing:
        message = " and ".join(differing)
        problems.append(problem("", "", Reason.MIXED_SHAPES, message, refused=False))
    return problems


def duplicate_problems(
    scans: Sequence[Scan], facts: Mapping[str, ScanFacts], shown: Shown, *, labels: bool
) -> list[Problem]:
    """Find scans with the same voxels.

    Parameters
    ----------
    scans
        Scans that were decoded.
    facts
        By the name of the scan.
    shown
        How to show the image of a scan.
    labels
        Refuse copies with different labels: one of the labels is wrong, and nobody knows which.

    Returns
    -------
    list of Problem
        A refusal for each copy, or one warning for all of one image.
    """
    problems = []
    for copies in duplicates(scans, facts):
        if labels and len({scan.label for scan in copies if scan.label is not None}) > 1:
            for scan in copies:
                others = ", ".join(f"{o.name} ({o.label})" for o in copies if o is not scan)
                message = f"labelled {scan.label}, with the same voxels as {others}"
                problems.append(problem(scan.name, shown(scan), Reason.DUPLICATE_IMAGE, message))
        else:
            first = copies[0]
            message = f"the same voxels as {', '.join(scan.name for scan in copies[1:])}"
            if len({scan.participant for scan in copies}) > 1:
                message += ", of another participant: kept on one side of every split"
            problems.append(
                problem(first.name, shown(first), Reason.DUPLICATE_IMAGE, message, refused=False)
            )
    return problems


def duplicates(scans: Sequence[Scan], facts: Mapping[str, ScanFacts]) -> list[list[Scan]]:
    """Find scans with the same voxels, in sets of two or more, by name."""
    copies: defaultdict[str, list[Scan]] = defaultdict(list)
    for scan in sorted(scans, key=lambda scan: scan.name):
        copies[facts[scan.name].voxel_hash].append(scan)
    return [several for several in copies.values() if len(several) > 1]


def split_problems(
    scans: Sequence[Scan], voxel_hashes: Mapping[str, str], shown: Shown
) -> list[Problem]:
    """Check the table's own split, if it has one: its values, and that nothing is on two sides.

    Parameters
    ----------
    scans
        Scans that can be used otherwise.
    voxel_hashes
        By the name of the scan.
    shown
        How to show the image of a scan.

    Returns
    -------
    list of Problem
        A refusal for each scan concerned.
    """
    if all(scan.split is None for scan in scans):
        return []
    problems = []
    for scan in scans:
        if scan.split not in SPLITS:
            message = "no split" if scan.split is None else f"the split {scan.split!r}"
            problems.append(problem(scan.name, shown(scan), Reason.BAD_SPLIT, message))
    for members in related_scans([s for s in scans if s.split in SPLITS], voxel_hashes):
        if len({scan.split for scan in members}) > 1:
            for scan in members:
                others = ", ".join(
                    f"{o.name} in {o.split}" for o in members if o.split != scan.split
                )
                message = f"in {scan.split}, but it belongs together with {others}"
                problems.append(problem(scan.name, shown(scan), Reason.SPLIT_LEAK, message))
    return problems


def _most(values: Mapping[str, int]) -> int:
    """Return the most frequent value; of several as frequent the highest."""
    return max(Counter(values.values()).items(), key=lambda item: item[::-1], default=(0, 0))[0]


def _range(values: Set[tuple[float, ...]]) -> str:
    ends = (min(values), max(values))
    return " to ".join(" × ".join(f"{value:g}" for value in end) for end in ends)
