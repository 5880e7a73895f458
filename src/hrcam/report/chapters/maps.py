"""The chapters on maps: those of each scan, and those of the group."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from hrcam.artifacts.maps_folder import MapsFolder, unreadable
from hrcam.artifacts.refusals import Refusal
from hrcam.artifacts.scan_record import HEAD, KINDS, ScanRecord
from hrcam.errors import InputError
from hrcam.progress import tracked
from hrcam.report.page.cohort_page import Card, Chapter, MapViewer
from hrcam.report.page.text import count
from hrcam.report.viewer.cards import group_cards, scan_card, units_of
from hrcam.report.viewer.group_maps import GroupMaps
from hrcam.report.viewer.scale import PLACES, Scale
from hrcam.report.viewer.scan_view import ScanView, read_grid, read_view
from hrcam.report.viewer.selection import select

logger = logging.getLogger(__name__)

PICTURES, VOLUMES = 100, 30
"""Default number of scans on a page; more would make it slow to open and large to share."""

VOXELS = 220_000_000
"""Fewer scans are shown if these have more voxels together: 30 of 182 × 218 × 182 have as many."""


def map_chapters(
    mapped: MapsFolder, classes: Sequence[str], limit: int | None, progress: bool
) -> tuple[MapsFolder, list[Chapter]]:
    """Read each scan once, for its card and for the group maps.

    Parameters
    ----------
    mapped
        The maps.
    classes
        Names of the classes; of two, the last is the positive class.
    limit
        Largest number of scans to show; None for `PICTURES` or `VOLUMES`, or as many as have
        `VOXELS`.
    progress
        Show how far the work is: a bar on a terminal, else a line in the log every 30 seconds.

    Returns
    -------
    mapped, chapters
        The maps, with unreadable ones added to their failures, and the chapters.

    Raises
    ------
    InputError
        If none of the maps can be read.
    """
    volumes = _has_volumes(mapped.records)
    # Those that were written of every scan.
    kinds = [kind for kind in KINDS if all(kind in record.maps for record in mapped.records)]
    scans = _by_scan((*mapped.records, *mapped.further))
    if limit is None:
        voxels = float(np.median([np.prod(record.shape) for record, *_ in scans]))
        limit = max(1, min(VOLUMES if volumes else PICTURES, int(VOXELS // voxels)))
    chosen = {record.scan for record in select([first for first, *_ in scans], limit)}
    group = GroupMaps(mapped.records, classes)
    cards: list[Card] = []
    scale = Scale(kinds)
    failed: list[Refusal] = []
    wanted = [
        [
            record
            for record in records
            if record.scan in chosen or (record.primary and group.wants(record))
        ]
        for records in scans
    ]
    wanted = [records for records in wanted if records]
    for records in tracked(wanted, len(wanted), "reading maps", "scans", shown=progress):
        views: dict[int, ScanView] = {}
        for record in records:
            try:
                view = read_view(record, kinds, next(iter(views.values()), None))
            except InputError as error:
                failed.append(unreadable(record.scan, "", str(error)))
                continue
            if record.primary:
                group.add(record, view)
            views[id(record)] = view
        if views and records[0].scan in chosen:
            shown = [record for record in records if id(record) in views]
            cards.append(scan_card(shown, list(views.values())))
            scale.add(next(iter(views.values())))
    if not cards:
        raise InputError(
            f"{mapped.folder}: none of the maps can be read ({failed[0].message}): make them "
            "again with `hrcam map`"
        )
    logger.info("%d of %d scans are shown", len(cards), len(scans))
    viewer = MapViewer(
        "scans",
        tuple(cards),
        scale.limits,
        scale.thresholds,
        len(scans),
        _labels(mapped.records) if mapped.exclusive else (),
        volumes,
        not mapped.exclusive,
    )
    primary = [first for first, *_ in scans]
    introduction = (
        _shown(len(cards), primary, mapped),
        *_unlike(primary),
        *_judged(mapped),
    )
    chapters = [
        Chapter("scans", "Maps of each scan", introduction, viewer=viewer),
        _group_chapter(group, scale.limits, volumes, mapped),
    ]
    return replace(mapped, failures=(*mapped.failures, *failed)), chapters


def _by_scan(records: Sequence[ScanRecord]) -> list[list[ScanRecord]]:
    """Return the maps of each scan, first those that stand for it and for the chosen class."""
    scans: dict[str, list[ScanRecord]] = {}
    for record in records:
        scans.setdefault(record.scan, []).append(record)

    def later(record: ScanRecord) -> tuple[bool, bool]:
        return not record.primary, record.map_class != record.prediction.chosen(record.reference)

    return [sorted(each, key=later) for each in scans.values()]


def _has_volumes(records: Sequence[ScanRecord]) -> bool:
    for record in records:
        try:
            return read_grid(record).is_volume
        except InputError:
            continue
    return False


def _labels(records: Sequence[ScanRecord]) -> tuple[str, ...]:
    return tuple(sorted({record.label for record in records if record.label is not None}))


def _shown(shown: int, records: Sequence[ScanRecord], maps: MapsFolder) -> str:
    total = len(records)
    if shown == total:
        return f"All {count(total, 'scan')} of this folder, with one common colour scale."
    seen = sum(record.seen_in_training for record in records)
    first = "Scans that no network was trained on come first. " if 0 < seen < total else ""
    rule = (
        f"they are evenly spaced by {_ordered_by(maps)}."
        if not maps.exclusive
        else "each class, correct or wrong, has the same number of scans if it has enough, so "
        "wrong predictions are more frequent here than in the cohort; within each they are evenly "
        "spaced by confidence."
    )
    return (
        f"{shown} of {count(total, 'scan')} are shown, with one common colour scale. "
        f"{first}The selection is automatic: {rule}"
    )


def _ordered_by(maps: MapsFolder) -> str:
    if maps.target is not None:
        return f"the predicted {maps.target}"
    return "the probability of the most probable label"


def _unlike(records: Sequence[ScanRecord]) -> tuple[str, ...]:
    """Say how many scans are unlike those of the training, if it is known of any."""
    known = [one.input.unlike for one in records if one.input and one.input.unlike is not None]
    if not any(known):
        return ()
    number = sum(known)
    return (
        f"{count(number, 'scan')} of this folder {'is' if number == 1 else 'are'} unlike those "
        "that the network learnt from: with a warning on the card, not to trust the map.",
    )


def _judged(maps: MapsFolder) -> tuple[str, ...]:
    """Explain whose predictions are called correct or wrong, and what a regression has not."""
    if maps.target is not None:
        return (
            f"The maps are of the predicted {maps.target}, a number. There are no classes, and so "
            "no findings, which are regions that control images do not have.",
        )
    if not maps.exclusive:
        return (
            "The map of a scan is of its most probable label, unless another was asked for. "
            "Several labels are no classes, and so there are no findings, which are regions that "
            "control images do not have.",
        )
    if HEAD not in maps.predictors:
        return ()
    return (
        "The head was fitted to the labels, so the maps explain its predictions: probabilities and "
        "correctness are those of the HR-CAM head, not of the network.",
    )


def _group_chapter(
    group: GroupMaps, limits: Mapping[str, float], volumes: bool, maps: MapsFolder
) -> Chapter:
    cards = group_cards(group, units_of(maps.target))
    heading = "Maps of the group"
    if group.used < 2:
        return Chapter(
            "group",
            heading,
            (
                f"No two of {count(group.labelled, 'scan')} with a label share a grid, so there "
                "is no mean map. Register the images to a common space to get one.",
            ),
        )
    other_grid = group.labelled - group.used - group.left_out
    unseen = " that no network was trained on" if group.left_out else ""
    introduction = [
        f"Over {count(group.used, 'scan')}{unseen} with a label on one grid, shown above or not, "
        "correct or wrong: to exclude wrong predictions would exaggerate the difference."
        + (f" {other_grid} on another grid are excluded." if other_grid else "")
        + (f" {group.left_out} that networks were trained on are excluded." if unseen else "")
        + (f" The networks were trained on {group.seen} of them." if group.seen else ""),
        "These maps are valid only if the images are aligned, with the same anatomy at the same "
        "position. This is not checked. A mean map lies over the mean image of the same scans, a "
        "difference over that of all its scans.",
    ]
    if maps.exclusive:
        introduction += _differences(group, limits)
    elif maps.target is None and not cards:
        introduction.append(
            "There is no mean map: it needs maps of every scan for one label (hrcam map --class "
            "NAME)."
        )
    if group.single:
        introduction.append(
            f"One scan is no group: there is no mean map of {', '.join(group.single)} where only "
            "one scan has such a map."
        )
    if not cards:
        return Chapter("group", heading, tuple(introduction))
    group_limits = {
        kind: max(group.tops(kind, PLACES), default=limit) or 1.0 for kind, limit in limits.items()
    }
    viewer = MapViewer("group", cards, group_limits, dict.fromkeys(limits, 0.0), volumes=volumes)
    return Chapter("group", heading, tuple(introduction), viewer=viewer)


def _differences(group: GroupMaps, limits: Mapping[str, float]) -> list[str]:
    """Explain the differences between classes, and why some are missing."""
    introduction = [
        "The t-like score is the difference over its standard error (Welch). It is not a "
        "significance test: positions are many and correlated, and the networks were trained with "
        "these labels. Each has its own colour scale, which is stated beside it; the threshold is "
        "the same fraction of its scale.",
    ]
    compared = {difference.kind for difference in group.differences()}
    if missing := [kind for kind in limits if kind not in compared]:
        introduction.append(
            f"There is no difference map of {' and '.join(missing)}: it needs maps of every "
            "scan for one class (hrcam map --class NAME), with three or more scans of that class "
            "and three of others. Means are over the scans that have a map for their own class."
        )
    return introduction
