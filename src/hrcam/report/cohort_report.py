"""The report of a cohort: from the folders of a run and of its maps to one HTML file."""

import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from hrcam import __version__
from hrcam.errors import InputError
from hrcam.report.cards import group_cards, scan_card
from hrcam.report.charts import confusions, prediction_charts
from hrcam.report.checklist import checklist_sections
from hrcam.report.cohort_html import write_cohort_page
from hrcam.report.cohort_page import Card, Chapter, CohortPage, MapViewer
from hrcam.report.cohort_sections import cohort_sections
from hrcam.report.group_maps import GroupMaps
from hrcam.report.interpretation import INTERPRETATION
from hrcam.report.maps_folder import KINDS, MapRecord, MapsFolder, failure, read_maps, software
from hrcam.report.metric_sections import metric_sections, pooled
from hrcam.report.model_card import INTENDED_USE, model_card
from hrcam.report.run_folder import Row, RunFolder, read_run
from hrcam.report.scan_view import ScanView, read_grid, read_view
from hrcam.report.selection import select
from hrcam.report.text import count, estimate_text

logger = logging.getLogger(__name__)

PICTURES, VOLUMES = 100, 30
"""How many scans a page shows unless told: more would make it slow to open and to pass on."""

# The colours end where this share of a map lies below, in this share of the scans: few extreme
# places must not make all others pale.
_PLACES, _SCANS = 99.9, 95.0


def write_cohort_report(
    run: Path | None,
    maps: Path | None,
    out: str | os.PathLike[str],
    *,
    subjects: int | None = None,
    progress: bool = True,
) -> Path:
    """Write the report of a run, of its maps, or of both, as one self-contained HTML file.

    Parameters
    ----------
    run
        Folder of `hrcam train`: metrics, model card and checklists. None: without these.
    maps
        Folder of `hrcam map`: each scan with its maps, and those of the group. None: without.
    out
        The HTML file; an older one is replaced.
    subjects
        How many scans to show at most, chosen by `hrcam.report.selection.select`; None for 100
        pictures or slices, or 30 volumes. Means and differences are always over all scans.
    progress
        Show a progress bar, if standard error is a terminal.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InputError
        If neither folder is given, one is not what it should be, or no map can be shown.
    OSError
        If the file cannot be written; an older one is then still there.
    """
    if run is None and maps is None:
        raise InputError("a report needs the folder of a run, of maps, or both")
    if subjects is not None and subjects < 1:
        raise InputError(f"subjects is {subjects}: show at least 1")
    trained = None if run is None else read_run(run)
    mapped = None if maps is None else read_maps(maps)
    chapters: list[Chapter] = []
    if mapped is not None:
        classes = mapped.classes if trained is None else trained.classes
        mapped, chapters = _map_chapters(mapped, classes, subjects, progress)
    page = CohortPage(
        title="HR-CAM report",
        lead=_lead(trained, mapped),
        chapters=(
            Chapter("cohort", "Cohort", sections=cohort_sections(trained, mapped)),
            *([] if trained is None else [_predictions(trained)]),
            *chapters,
            _reading(),
            *([] if trained is None else _documents(trained, mapped)),
        ),
        versions={"hrcam": __version__, **({} if mapped is None else software(mapped.records))},
        seed=_seed(trained),
    )
    return write_cohort_page(page, out)


def _map_chapters(
    mapped: MapsFolder, classes: Sequence[str], limit: int | None, progress: bool
) -> tuple[MapsFolder, list[Chapter]]:
    """Read each scan once, for its card and for the group; return what failed as well."""
    volumes = _has_volumes(mapped.records)
    if limit is None:
        limit = VOLUMES if volumes else PICTURES
    chosen = {id(record) for record in select(mapped.records, limit)}
    group = GroupMaps(mapped.records, classes)
    cards: list[Card] = []
    tops: list[dict[str, float]] = []
    failed: list[Row] = []
    for record in tqdm(mapped.records, desc="reading maps", disable=None if progress else True):
        if id(record) not in chosen and not group.wants(record):
            continue
        try:
            view = read_view(record)
        except InputError as error:
            failed.append(failure(record.scan, "", str(error)))
            continue
        group.add(record, view)
        if id(record) in chosen:
            cards.append(scan_card(record, view))
            tops.append(_tops(view))
    if not cards:
        raise InputError(
            f"{mapped.folder}: none of the maps can be read ({failed[0]['message']}): make them "
            "again with `hrcam map`"
        )
    logger.info("%d of %d maps are shown", len(cards), len(mapped.records))
    limits = {
        kind: float(np.percentile([top[kind] for top in tops], _SCANS)) or 1.0 for kind in KINDS
    }
    viewer = MapViewer("scans", tuple(cards), limits, _labels(mapped.records), volumes)
    chapters = [
        Chapter("scans", "Maps of each scan", (_shown(len(cards), mapped.records),), viewer=viewer),
        _group_chapter(group, limits, volumes),
    ]
    return replace(mapped, failures=(*mapped.failures, *failed)), chapters


def _has_volumes(records: Sequence[MapRecord]) -> bool:
    for record in records:
        try:
            return read_grid(record).is_volume
        except InputError:
            continue
    return False


def _tops(view: ScanView) -> dict[str, float]:
    return {kind: float(np.percentile(np.abs(view.maps[kind]), _PLACES)) for kind in KINDS}


def _labels(records: Sequence[MapRecord]) -> tuple[str, ...]:
    return tuple(sorted({record.label for record in records if record.label is not None}))


def _shown(shown: int, records: Sequence[MapRecord]) -> str:
    total = len(records)
    if shown == total:
        return f"All {count(total, 'map')} of this folder, with one colour scale for all."
    return (
        f"{shown} of {count(total, 'map')} are shown, {total - shown} are not; one colour scale "
        "for all. Every class, right and wrong, has the same number of places as far as it has "
        "scans, so wrong predictions are more frequent here than in the cohort. Within each they "
        "are spread evenly from sure to unsure; nothing was chosen by hand."
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
    left_out = group.labelled - group.used
    introduction = [
        f"Over {count(group.used, 'scan')} with a label and one grid, shown above or not, "
        "predicted right or wrong: leaving out the wrong ones would exaggerate the difference."
        + (f" {left_out} with another grid are left out." if left_out else "")
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


def _predictions(run: RunFolder) -> Chapter:
    return Chapter(
        "predictions",
        "Predictions",
        charts=prediction_charts(run),
        confusions=confusions(run),
        sections=metric_sections(run),
    )


def _reading() -> Chapter:
    return Chapter(
        "reading",
        INTERPRETATION.heading,
        (f"For research use only. {INTENDED_USE}",),
        sections=(replace(INTERPRETATION, heading=""),),
    )


def _documents(run: RunFolder, maps: MapsFolder | None) -> list[Chapter]:
    return [
        Chapter("card", "Model card", sections=(replace(model_card(run), heading=""),)),
        Chapter("checklists", "Checklists", sections=checklist_sections(run, maps), folded=True),
    ]


def _lead(run: RunFolder | None, maps: MapsFolder | None) -> str:
    if run is not None:
        people = {prediction.participant for prediction in run.predictions}
        accuracy = estimate_text(pooled(run, "network").get("balanced_accuracy"))
        classes = f"{', '.join(run.classes[:-1])} and {run.classes[-1]}"
        return (
            f"A CNN tells {classes} apart in {count(len(run.predictions), 'scan')} of "
            f"{count(len(people), 'participant')} that it had not seen, with a balanced "
            f"accuracy of {accuracy}. This page shows how well, and what it looks at."
        )
    assert maps is not None
    return (
        f"What a CNN sees in {count(len({each.scan for each in maps.records}), 'scan')}: maps of "
        f"{', '.join(maps.classes)}. How well it predicts is in the report of its training run."
    )


def _seed(run: RunFolder | None) -> int | None:
    seed = None if run is None else run.config.get("seed")
    return seed if isinstance(seed, int) else None
