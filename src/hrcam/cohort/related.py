"""Scans that must stay together: of one participant, of one group, or the same image."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from hrcam.cohort.scan import Scan


def related_scans(
    scans: Sequence[Scan], voxel_hashes: Mapping[str, str]
) -> tuple[tuple[Scan, ...], ...]:
    """Sort scans into sets that share a participant, a group or their voxels, however indirectly.

    Parameters
    ----------
    scans
        Scans with different names.
    voxel_hashes
        Hash of the voxels by the name of the scan.

    Returns
    -------
    tuple of tuple of Scan
        Each set sorted by name, and the sets by their first name: the same in whatever order the
        scans come.

    Raises
    ------
    KeyError
        If the hash of a scan is missing.
    """
    scans = sorted(scans, key=lambda scan: scan.name)
    holders: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for place, scan in enumerate(scans):
        holders["participant", scan.participant].append(place)
        holders["group", scan.group or scan.participant].append(place)
        holders["voxels", voxel_hashes[scan.name]].append(place)
    root = list(range(len(scans)))

    def find(place: int) -> int:
        while root[place] != place:
            root[place] = root[root[place]]
            place = root[place]
        return place

    for places in holders.values():
        for place in places[1:]:
            one, other = sorted((find(places[0]), find(place)))
            root[other] = one  # the smallest place leads its set, so sets come in its order
    sets: defaultdict[int, list[Scan]] = defaultdict(list)
    for place, scan in enumerate(scans):
        sets[find(place)].append(scan)
    return tuple(tuple(members) for members in sets.values())
