"""The chapters on maps: each scan with its own, and those of the group."""

import logging
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from tqdm import tqdm

from hrcam.artifacts.maps_folder import MapsFolder, unreadable
from hrcam.artifacts.refusals import Refusal
from hrcam.artifacts.scan_record import HEAD, KINDS, ScanRecord
from hrcam.errors import InputError
from hrcam.report.page.cohort_page import Card, Chapter, MapViewer
from hrcam.report.page.text import count
from hrcam.report.viewer.cards import group_cards, scan_card
from hrcam.report.viewer.group_maps import GroupMaps
from hrcam.report.viewer.scan_view import ScanView, read_grid, read_view
from hrcam.report.viewer.selection import select

logger = logging.getLogger(__name__)

PICTURES, VOLUMES = 100, 30
"""How many scans a page shows unless told: more would make it slow to open and to pass on."""

# The colours end where this share of a map lies below, in this share of the scans: few extreme
# places must not make all others pale.
_PLACES, _SCANS = 99.9, 95.0


def map_chapters(
    mapped: MapsFolder, classes: Sequence[str], limit: int | None, progress: bool
) -> tuple[MapsFolder, list[Chapter]]:
    """Read each scan once, for its card and for the group.

    Parameters
    ----------
    mapped
        The maps.
    classes
        Names of the classes; of two the last is the positive one.
    limit
        How many scans to show at most; None for `PICTURES` or `VOLUMES`.
    progress
        Show a progress bar, if standard error is a terminal.

    Returns
    -------
    mapped, chapters
        The maps, with what could not be read among their failures.

    Raises
    ------
    InputError
        If none of the maps can be read.
    """
    volumes = _has_volumes(mapped.records)
    if limit is None:
        limit = VOLUMES if volumes else PICTURES
    chosen = {id(record) for record in select(mapped.records, limit)}
    group = GroupMaps(mapped.records, classes)
    cards: list[Card] = []
    tops: list[dict[str, float]] = []
    failed: list[Refusal] = []
    for record in tqdm(mapped.records, desc="reading maps", disable=None if progress else True):
        if id(record) not in chosen and not group.wants(record):
            continue
        try:
            view = read_view(record)
        except InputError as error:
            failed.append(unreadable(record.scan, "", str(error)))
            continue
        group.add(record, view)
        if id(record) in chosen:
            cards.append(scan_card(record, view))
            tops.append(_tops(view))
    if not cards:
        raise InputError(
            f"{mapped.folder}: none of the maps can be read ({failed[0].message}): make them "
            "again with `hrcam map`"
        )
    logger.info("%d of %d maps are shown", len(cards), len(mapped.records))
    limits = {
        kind: float(np.percentile([top[kind] for top in tops], _SCANS)) or 1.0 for kind in KINDS
    }
    viewer = MapViewer("scans", tuple(cards), limits, _labels(mapped.records), volumes)
    introduction = (_shown(len(cards), mapped.records), *_judged(mapped))
    chapters = [
        Chapter("scans", "Maps of each scan", introduction, viewer=viewer),
        _group_chapter(group, limits, volumes),
    ]
    return replace(mapped, failures=(*mapped.failures, *failed)), chapters


def _has_volumes(records: Sequence[ScanRecord]) -> bool:
    for record in records:
        try:
            return read_grid(record).is_volume
        except InputError:
            continue
    return False


def _tops(view: ScanView) -> dict[str, float]:
    return {kind: float(np.percentile(np.abs(view.maps[kind]), _PLACES)) for kind in KINDS}


def _labels(records: Sequence[ScanRecord]) -> tuple[str, ...]:
    return tuple(sorted({record.label for record in records if record.label is not None}))


def _shown(shown: int, records: Sequence[ScanRecord]) -> str:
    total = len(records)
    if shown == total:
        return f"All {count(total, 'map')} of this folder, with one colour scale for all."
    seen = sum(record.seen_in_training for record in records)
    first = "Scans that no network was trained on come first. " if 0 < seen < total else ""
    return (
        f"{shown} of {count(total, 'map')} are shown, {total - shown} are not; one colour scale "
        f"for all. {first}Every class, right and wrong, has the same number of places as far as it "
        "has scans, so wrong predictions are more frequent here than in the cohort. Within each "
        "they are spread evenly from sure to unsure; nothing was chosen by hand."
    )


def _judged(maps: MapsFolder) -> tuple[str, ...]:
    """Say whose predictions are called right and wrong, where that is not the network."""
    if HEAD not in maps.predictors:
        return ()
    return (
        "The head has learnt the labels, so the maps explain its predictions: probabilities, and "
        "what is called correct or wrong here, are those of the HR-CAM head, not of the network.",
    )


def _group_chapter(group: GroupMaps, limits: dict[str, float], volumes: bool) -> Chapter:
    cards = group_cards(group)
    heading = "Maps of the group"
    if group.used < 2:
        return Chapter(
            "group",
            heading,
            (
                f"Of {count(group.labelled, 'scan')} with a label no two share one grid, so there "
                "is no mean map. Register the images to a common space to get one.",
            ),
        )
    other_grid = group.labelled - group.used - group.left_out
    unseen = " that no network was trained on" if group.left_out else ""
    introduction = [
        f"Over {count(group.used, 'scan')}{unseen} with a label and one grid, shown above or not, "
        "predicted right or wrong: leaving out the wrong ones would exaggerate the difference."
        + (f" {other_grid} with another grid are left out." if other_grid else "")
        + (f" {group.left_out} that networks were trained on are left out." if unseen else "")
        + (f" The networks were trained on {group.seen} of them." if group.seen else ""),
        "This means something only if the images are aligned: the same place must be the same "
        "anatomy in all of them. The page cannot tell whether they are.",
        "The t-like score is the difference over its standard error (Welch). It is no test: "
        "neighbouring places go together, there are many of them, and the maps were made by "
        "networks that learnt these labels. The threshold is the same share of its scale.",
    ]
    compared = {difference.kind for difference in group.differences()}
    if missing := [kind for kind in KINDS if kind not in compared]:
        introduction.append(
            f"There is no difference of {' and '.join(missing)}: that takes maps of one class in "
            "every scan (hrcam map --class NAME), with three or more of that class and three of "
            "others. Until then, means are over the scans that have a map of their own class."
        )
    if not cards:
        return Chapter("group", heading, tuple(introduction))
    own = {kind: max(group.tops(kind, _PLACES), default=limits[kind]) or 1.0 for kind in KINDS}
    viewer = MapViewer("group", cards, own, volumes=volumes)
    return Chapter("group", heading, tuple(introduction), viewer=viewer)
