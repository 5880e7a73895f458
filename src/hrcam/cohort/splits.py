"""Cross-validation by subject: folds in which nothing of a tested subject was trained on."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hrcam.cohort.opening.participants import SPLITS
from hrcam.cohort.related import related_scans
from hrcam.cohort.scan import Scan
from hrcam.errors import InputError

ATTEMPTS = 20
"""Seeds to try until every class is in every training and every test part."""

Members = tuple[Scan, ...]  # scans that must stay together


@dataclass(frozen=True)
class Fold:
    """Which scans train, stop and test one network; names of scans, sorted.

    Attributes
    ----------
    train
        What the network learns from.
    validation
        What tells when to stop; empty if none was asked for.
    test
        What it is judged on.
    repeat
        Which division into folds it belongs to, counted from 1.
    left_out
        The value of the column whose scans are tested, where values are left out in turn; else "".
    unused
        Scans of other values that belong together with a tested one; none without such values.
    """

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]
    repeat: int = 1
    left_out: str = ""
    unused: tuple[str, ...] = ()


def make_folds(
    scans: Sequence[Scan],
    voxel_hashes: Mapping[str, str],
    *,
    folds: int = 5,
    repeats: int = 1,
    validation: float = 0.15,
    seed: int = 0,
) -> list[Fold]:
    """Divide scans into folds, stratified by class and by whole subjects.

    Scans of one participant, of one group or with the same voxels are on one side of every
    split. A cohort whose table has a split gets that split as its only fold, in each repeat.

    Parameters
    ----------
    scans
        Scans with labels.
    voxel_hashes
        Hash of the voxels (`ScanFacts.voxel_hash`) by the name of each scan.
    folds
        Number of folds; each scan is tested in one.
    repeats
        Number of divisions into folds, with other shuffles; each scan is tested in one fold of
        each. Of a split of the table the repeats differ in the scans that are set aside alone.
    validation
        Share of the training scans of each class that is set aside to tell when to stop, at
        least one of each class; 0 for none.
    seed
        Of the shuffling.

    Returns
    -------
    list of Fold
        The folds of the first division, then those of the second, and so on. The same for the same
        scans in any order; further repeats do not change the first ones.

    Raises
    ------
    InputError
        If a label or a hash is missing, a class has fewer independent subjects than there are
        folds, there are not as many different divisions as repeats, or the split of the table is
        incomplete or not clean.
    """
    if folds < 2:
        raise InputError(f"folds is {folds}: use 2 or more")
    if repeats < 1:
        raise InputError(f"repeats is {repeats}: use 1 or more")
    check_arguments(scans, voxel_hashes, validation, seed)
    sets = related_scans(scans, voxel_hashes)
    if any(scan.split is not None for scan in scans):
        return [
            replace(_table_split(sets, validation, seed + place), repeat=place + 1)
            for place in range(repeats)
        ]
    _check_sizes(sets, folds)
    result: list[Fold] = []
    divisions: set[frozenset[tuple[str, ...]]] = set()
    for repeat in range(1, repeats + 1):
        # The seeds of one repeat are not tried by another.
        parts = _test_parts(sets, folds, seed + ATTEMPTS * (repeat - 1))
        divisions.add(frozenset(map(_names, parts)))
        if len(divisions) < repeat:
            raise InputError(
                f"these participants and groups are too few for {repeats} different divisions into "
                f"{folds} folds: use at most {repeat - 1} repeats"
            )
        for test in parts:
            tested = {members[0].name for members in test}
            rest = [members for members in sets if members[0].name not in tested]
            train, held_out = set_aside(rest, validation, seed + len(result))
            result.append(Fold(_names(train), _names(held_out), _names(test), repeat))
    return result


def check_arguments(
    scans: Sequence[Scan], voxel_hashes: Mapping[str, str], validation: float, seed: int
) -> None:
    """See that scans can be divided: labels, hashes and different names; raises InputError."""
    if not 0 <= validation <= 0.5:
        raise InputError(f"validation is {validation}: use a share from 0 to 0.5")
    if seed < 0:
        raise InputError(f"seed is {seed}: use 0 or more")
    if not scans:
        raise InputError("there is no scan to divide: see what hrcam check says of the cohort")
    repeated = [name for name, n in Counter(scan.name for scan in scans).items() if n > 1]
    if repeated:
        raise InputError(f"{len(repeated)} scans share their name, as {repeated[0]!r}")
    unlabelled = [scan.name for scan in scans if scan.label is None]
    if unlabelled:
        raise InputError(
            f"{len(unlabelled)} of {len(scans)} scans have no label, as {unlabelled[0]!r}: fill "
            "in the column of the labels, or leave them out"
        )
    unknown = [scan.name for scan in scans if scan.name not in voxel_hashes]
    if unknown:
        raise InputError(
            f"{len(unknown)} scans have no voxel hash, as {unknown[0]!r}: check the cohort first"
        )


def _check_sizes(sets: Iterable[Members], folds: int) -> None:
    counts = Counter(label for members in sets for label in _classes(members))
    if len(counts) < 2:
        raise InputError(
            f"all scans are of the class {next(iter(counts))!r}: two classes or more are needed"
        )
    small = sorted((n, label) for label, n in counts.items() if n < folds)
    if small:
        listed = ", ".join(f"{label!r} has {n}" for n, label in small)
        raise InputError(
            f"{folds} folds need {folds} independent participants or groups of each class, but "
            f"{listed}: use fewer folds, add participants or merge classes (if the column group "
            "holds the diagnosis, rename it to label)"
        )


def _test_parts(sets: Sequence[Members], folds: int, seed: int) -> list[list[Members]]:
    """Divide sets into test parts that leave each class in every training part."""
    from sklearn.model_selection import StratifiedGroupKFold

    labels = np.array([str(scan.label) for members in sets for scan in members])
    owners = np.array([place for place, members in enumerate(sets) for _ in members])
    everything = set(labels.tolist())
    best: list[list[Members]] = []
    most = -1
    for attempt in range(ATTEMPTS):
        shuffled = StratifiedGroupKFold(folds, shuffle=True, random_state=seed + attempt)
        parts = [
            [sets[place] for place in sorted(set(owners[test].tolist()))]
            for _, test in shuffled.split(labels, labels, owners)
        ]
        held = [{label for members in part for label in _classes(members)} for part in parts]
        trained = [set().union(*held[:i], *held[i + 1 :]) for i in range(folds)]
        if not all(parts) or any(classes != everything for classes in trained):
            continue
        complete = sum(classes == everything for classes in held)
        if complete > most:
            best, most = parts, complete
        if complete == folds:
            break
    if not best:
        raise InputError(
            f"these participants and groups cannot be divided into {folds} folds with every class "
            "in each training part: use fewer folds, or smaller groups"
        )
    return best


def _table_split(sets: Sequence[Members], validation: float, seed: int) -> Fold:
    parts: dict[str, list[Members]] = {name: [] for name in SPLITS}
    for members in sets:
        splits = sorted({str(scan.split) for scan in members})
        names = ", ".join(scan.name for scan in members)
        if any(split not in SPLITS for split in splits):
            raise InputError(
                f"the split of {names} is {', '.join(splits)}: write one of {', '.join(SPLITS)} "
                "for every scan, or leave the column out"
            )
        if len(splits) > 1:
            raise InputError(
                f"{names} belong together (participant, group or image) but are split into "
                f"{', '.join(splits)}: give them one split"
            )
        parts[splits[0]].append(members)
    for name in ("train", "test"):
        if not parts[name]:
            raise InputError(
                f"the column split has no {name!r}: add it, or leave the column out to "
                "cross-validate"
            )
    train, held_out = parts["train"], parts["validation"]
    if not held_out:
        train, held_out = set_aside(train, validation, seed)
    everything = {label for members in sets for label in _classes(members)}
    missing = sorted(everything - {label for members in train for label in _classes(members)})
    if missing:
        raise InputError(f"the split trains on no scan of the class {missing[0]!r}: add some")
    if len(everything) < 2:
        raise InputError(f"all scans are of the class {everything.pop()!r}: two are needed")
    return Fold(_names(train), _names(held_out), _names(parts["test"]))


def set_aside(
    sets: Sequence[Members], share: float, seed: int
) -> tuple[list[Members], list[Members]]:
    """Move about a share of each class's scans to validation, and leave each class some sets."""
    if share == 0:
        return list(sets), []
    totals = _scans_by_class(sets)
    left = Counter(label for members in sets for label in _classes(members))
    order = np.random.default_rng(seed).permutation(len(sets))
    chosen: set[int] = set()
    held: Counter[str] = Counter()

    def spare(place: int) -> bool:
        return place not in chosen and all(left[name] > 1 for name in _classes(sets[place]))

    def move(place: int) -> None:
        chosen.add(place)
        held.update(_scans_by_class([sets[place]]))
        left.subtract(_classes(sets[place]))

    for label in sorted(totals, key=lambda name: (totals[name], name)):  # the rarest first
        sizes = {place: _scans_by_class([sets[place]])[label] for place in order.tolist()}
        having = [place for place, size in sizes.items() if size]
        target = max(1.0, share * totals[label])
        for place in having:  # a set that brings the share closer than it is without
            if held[label] + sizes[place] / 2 <= target and spare(place):
                move(place)
        smallest = min(filter(spare, having), key=sizes.__getitem__, default=None)
        if held[label] == 0 and smallest is not None:
            move(smallest)
    train = [members for place, members in enumerate(sets) if place not in chosen]
    return train, [sets[place] for place in sorted(chosen)]


def _classes(members: Members) -> set[str]:
    return {str(scan.label) for scan in members}


def _scans_by_class(sets: Iterable[Members]) -> Counter[str]:
    return Counter(str(scan.label) for members in sets for scan in members)


def _names(sets: Iterable[Members]) -> tuple[str, ...]:
    return tuple(sorted(scan.name for members in sets for scan in members))
