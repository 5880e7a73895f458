"""The chapter on the cohort: its scans, their splits, and refused scans."""

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from hrcam.artifacts.maps_folder import MapsFolder
from hrcam.artifacts.refusals import Refusal
from hrcam.artifacts.run_folder import RunFolder
from hrcam.artifacts.run_tables import Prediction, SplitRow
from hrcam.artifacts.scan_record import ScanRecord
from hrcam.cohort.problems import grouped
from hrcam.report.page.content import Section, Table
from hrcam.report.page.text import MISSING, plain

_UNLABELLED = "no label"
# Most rows of a table; the files hold all.
_LISTED = 200


def cohort_sections(
    run: RunFolder | None, maps: MapsFolder | None, scans: Sequence[Section]
) -> tuple[Section, ...]:
    """Return the sections about the scans of a run and of its maps.

    Parameters
    ----------
    run, maps
        The run and the maps; None to leave them out.
    scans
        Tables of the scans of the run.
    """
    sections: list[Section] = []
    if run is not None:
        sections += scans
        sections += _fingerprint(run.fingerprint)
        sections.append(
            _refusals("Refused by the check", run.refused, "No scan was refused by the check.")
        )
    if maps is not None:
        if run is None and maps.exclusive:
            sections.append(scans_by_class(maps.records))
        sections.append(_refusals("Without maps", maps.failures, "No map failed."))
    return tuple(sections)


def scans_by_class(rows: Sequence[SplitRow | Prediction | ScanRecord]) -> Section:
    """Count the scans and the participants of each class."""
    labels: dict[str, set[tuple[str, str]]] = {}
    for row in rows:
        label = row.label or _UNLABELLED
        labels.setdefault(label, set()).add((row.scan, row.participant))
    everyone = set().union(*labels.values())
    table = Table(
        headers=("Class", "Scans", "Participants"),
        rows=tuple(
            (name, str(len({scan for scan, _ in members})), str(len({who for _, who in members})))
            for name, members in [*sorted(labels.items()), ("All", everyone)]
        ),
        numeric=(1, 2),
    )
    return Section("Scans by class", table=table)


def scans_by_split(rows: Sequence[SplitRow]) -> Section:
    """Count the scans of each part: of the split or column in the table, or of each fold."""
    parts: dict[str, list[str]] = {}
    for row in rows:
        folds = row.tested_by or (MISSING,)
        left_out = f", {row.left_out} left out" if row.left_out else ""
        tested = [f"tested by fold {fold}{left_out}" for fold in folds]
        for name in [row.split] if row.split else tested:
            parts.setdefault(name, []).append(row.label or _UNLABELLED)
    labels = sorted({label for found in parts.values() for label in found})
    table = Table(
        headers=("Part", *labels, "All"),
        rows=tuple(
            (name, *(str(found.count(label)) for label in labels), str(len(found)))
            for name, found in sorted(parts.items(), key=lambda item: (len(item[0]), item[0]))
        ),
        numeric=tuple(range(1, 2 + len(labels))),
        caption="All scans of a participant, and identical images, are in one part.",
    )
    return Section("Scans by split", table=table)


def _fingerprint(content: Mapping[str, Any]) -> list[Section]:
    """Return the properties of the images, without the counts of classes shown above."""
    if not content:
        return []
    sections = []
    if sites := content.get("classes_by_site"):
        labels = sorted({label for counts in sites.values() for label in counts})
        table = Table(
            headers=("Site", *labels),
            rows=tuple(
                (site, *(str(counts.get(label, 0)) for label in labels))
                for site, counts in sorted(sites.items())
            ),
            numeric=tuple(range(1, 1 + len(labels))),
            caption="A class from a single site cannot be distinguished from the site.",
        )
        sections.append(Section("Scans by site", table=table))
    hidden = ("classes", "values", "labels", "classes_by_site", "splits", "sites", "intensities")
    if duplicates := content.get("duplicates"):
        content = {**content, "duplicates": [" = ".join(names) for names in duplicates]}
    properties = tuple(
        (key.replace("_", " "), _property(value))
        for key, value in content.items()
        if key not in hidden
    )
    return [*sections, Section("Images", table=Table(("Property", "Value"), properties))]


def _property(value: Any) -> str:
    """Format a property: its median and range if it varies over the scans."""
    if isinstance(value, Mapping) and {"minimum", "median", "maximum"} <= value.keys():
        low, high = plain(value["minimum"]), plain(value["maximum"])
        if low == high:
            return low
        return f"{plain(value['median'])} (median; from {low} to {high})"
    return plain(value)


def _names(files: str) -> str:
    """Remove the folders of absolute paths, which may be confidential in a shared page."""
    parts = files.split(", ")
    return ", ".join(PurePath(p).name if PurePath(p).is_absolute() else p for p in parts)


def _who(row: Refusal, count: int) -> str:
    return row.scan if count == 1 else f"{plain(count)} scans, as {row.scan or row.file}"


def _refusals(heading: str, rows: Sequence[Refusal], none: str) -> Section:
    if not rows:
        return Section(heading, paragraphs=(none,))
    listed = list(grouped(rows))
    table = Table(
        headers=("Scan", "File", "Reason", "Problem", "What to do"),
        rows=tuple(
            (_who(row, count), _names(row.file), row.reason, row.message, row.advice)
            for row, count in listed[:_LISTED]
        ),
    )
    more = sum(count for _, count in listed[_LISTED:])
    note = f"{plain(more)} more are listed in the folder." if more > 0 else ""
    return Section(heading, table=table, note=note)
