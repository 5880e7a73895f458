"""Write the report of a cohort: one HTML file from the folders of a run and of its maps."""

import os
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from hrcam.artifacts.atomic import check_writable
from hrcam.artifacts.manifest import run_identity, warning_lines
from hrcam.artifacts.maps_folder import MapsFolder, read_maps, software
from hrcam.artifacts.run_folder import RunFolder, read_run
from hrcam.artifacts.sanity_record import read_sanity
from hrcam.errors import InputError, machine_error
from hrcam.report.chapters.by_column import by_column_chapter
from hrcam.report.chapters.checklist import checklist_sections
from hrcam.report.chapters.cohort import cohort_sections
from hrcam.report.chapters.findings import findings_chapter
from hrcam.report.chapters.maps import map_chapters
from hrcam.report.chapters.model_card import INTENDED_USE, model_card
from hrcam.report.chapters.predicted import Predicted, predicted_by
from hrcam.report.chapters.sanity import sanity_chapter
from hrcam.report.chapters.sanity_text import failed_checks
from hrcam.report.chapters.shortcuts import shortcut_warnings, shortcuts_chapter
from hrcam.report.chapters.training import training_chapter
from hrcam.report.page.cohort_html import write_cohort_page
from hrcam.report.page.cohort_page import Chapter, CohortPage
from hrcam.report.page.interpretation import interpretation_of
from hrcam.report.page.text import count


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
        Folder of `hrcam train`, for metrics, model card and checklists; None to leave them out.
    maps
        Folder of `hrcam map`, for the maps of each scan and of the group; None to leave them out.
    out
        The HTML file; an existing one is replaced.
    subjects
        Largest number of scans to show, selected by `hrcam.report.viewer.selection.select`; None
        for 100 pictures or slices, or 30 volumes. Group maps always include all scans.
    progress
        Show a progress bar on a terminal.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InputError
        If no folder is given, a folder is invalid, the maps are of another run, no map can be
        shown, or the file cannot be written; an existing file is then kept.
    MachineError
        If the disk is full or read-only.
    """
    out = Path(out)
    if out.is_dir():
        raise InputError(f"{out} is a folder: give the name of a file, as {out / 'report.html'}")
    if run is None and maps is None:
        raise InputError("a report needs the folder of a run, of maps, or both")
    if subjects is not None and subjects < 1:
        raise InputError(f"subjects is {subjects}: show at least 1")
    check_writable(out.parent)
    trained = None if run is None else read_run(run)
    mapped = None if maps is None else read_maps(maps)
    predicted = None if trained is None else predicted_by(trained)
    chapters: list[Chapter] = []
    if mapped is not None:
        if trained is not None:
            _check_same_run(trained, mapped)
        classes = mapped.classes if trained is None else trained.classes
        if not mapped.exclusive:
            classes = ()
        mapped, chapters = map_chapters(mapped, classes, subjects, progress)
    sanity = read_sanity(mapped)
    page = CohortPage(
        title="HR-CAM report",
        summary=_summary(predicted, mapped),
        chapters=(
            Chapter(
                "cohort",
                "Cohort",
                sections=cohort_sections(trained, mapped, predicted.scans if predicted else ()),
            ),
            *([] if predicted is None else [predicted.chapter]),
            *([] if trained is None else by_column_chapter(trained)),
            *([] if trained is None else shortcuts_chapter(trained)),
            *([] if trained is None else training_chapter(trained)),
            sanity_chapter(sanity),
            *chapters,
            *([] if mapped is None else findings_chapter(mapped)),
            _reading(
                mapped.target if mapped else trained.target if trained else None,
                labels=_of_labels(trained, mapped),
            ),
            *(_documents(trained, mapped, predicted) if trained and predicted else ()),
        ),
        versions={
            "hrcam": version("hrcam"),
            **({} if mapped is None else software(mapped.records)),
        },
        seed=_seed(trained),
        warnings=_warnings(trained, mapped),
        failed_checks=() if isinstance(sanity, str) else failed_checks(sanity.checks),
    )
    try:
        return write_cohort_page(page, out)
    except OSError as error:
        raise machine_error(error) or InputError(
            f"{out} cannot be written ({error.strerror or error}): choose a folder with "
            "write permission and free space"
        ) from error


def _check_same_run(run: RunFolder, maps: MapsFolder) -> None:
    identity = run_identity(run.manifest)
    others = sum(record.run != identity for record in maps.records)
    if others:
        raise InputError(
            f"{maps.folder} holds maps of another run than {run.folder}, or of an earlier training "
            f"in it ({others} of {len(maps.records)} do not fit): map again with `hrcam map "
            f"{run.folder} INPUT --out NEW`, or report the maps alone with `hrcam report "
            f"{maps.folder} --out FILE`"
        )


def _warnings(run: RunFolder | None, maps: MapsFolder | None) -> tuple[str, ...]:
    """Return the warnings of the fit and of shortcuts, or those recorded with the maps."""
    if run is not None:
        return (*warning_lines(run.manifest), *shortcut_warnings(run))
    assert maps is not None
    return tuple(dict.fromkeys(text for record in maps.records for text in record.warnings))


def _of_labels(run: RunFolder | None, maps: MapsFolder | None) -> bool:
    if maps is not None:
        return not maps.exclusive and maps.target is None
    return run is not None and bool(run.labels)


def _reading(target: str | None, *, labels: bool) -> Chapter:
    text = interpretation_of(target, labels=labels)
    return Chapter(
        "reading",
        text.heading,
        (f"For research use only. {INTENDED_USE}",),
        sections=(replace(text, heading=""),),
    )


def _documents(run: RunFolder, maps: MapsFolder | None, predicted: Predicted) -> list[Chapter]:
    card = replace(model_card(run, predicted), heading="")
    checklists = checklist_sections(run, maps, predicted)
    return [
        Chapter("card", "Model card", sections=(card,)),
        Chapter("checklists", "Checklists", sections=checklists, folded=True),
    ]


def _summary(predicted: Predicted | None, maps: MapsFolder | None) -> str:
    if predicted is not None:
        return predicted.conclusion
    assert maps is not None
    return (
        f"Maps of {count(len({each.scan for each in maps.records}), 'scan')} by a CNN for "
        f"{', '.join(maps.classes)}. Its predictions are in the report of the training run."
    )


def _seed(run: RunFolder | None) -> int | None:
    seed = None if run is None else run.config.get("seed")
    return seed if isinstance(seed, int) else None
