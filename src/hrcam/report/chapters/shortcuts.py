"""The chapter on shortcuts: what predicts the class as well as the network does."""

from hrcam.artifacts.run_folder import RunFolder
from hrcam.artifacts.shortcut_table import ALL, ShortcutRow
from hrcam.report.page.cohort_page import Chapter
from hrcam.report.page.content import Section, Table
from hrcam.report.page.text import count, estimate_text

_WHAT = (
    "How well the class is predicted without the network: by a logistic regression on each further "
    "column of the table, the kind of the identifiers (A2D6: two letters and six digits), size, "
    "format, encoding and border of the images, fitted to the scans that the network learnt from "
    "and scored on the same test scans. Where one of these predicts the class, the network may "
    "have learnt it, or what lies behind it, in place of the pathology."
)
_NOT_ALL = (
    "A column that follows from the disease, as a score of its severity, is no shortcut. And what "
    "is not in the table cannot be found here."
)
_SMALL = (
    "Not measured: that takes 20 participants or groups, and 5 of each class, without which chance "
    "decides."
)
_LEFT_OUT = (
    " The column {column} itself is not measured: its tested values are in no training, so that it "
    "cannot predict."
)
_WARNINGS = {
    "": "",
    "strong": "tells the class by itself",
    "as the network": "as good as the network",
}


def shortcuts_chapter(run: RunFolder) -> list[Chapter]:
    """Return the chapter; none for a run that tells nothing of shortcuts."""
    if run.shortcuts is None:
        return []
    if not run.shortcuts:
        return [Chapter("shortcuts", "Shortcuts", (_SMALL,))]
    several = any(row.class_name != ALL for row in run.shortcuts)
    rows = sorted(run.shortcuts, key=lambda row: -(row.auc or 0))
    warned = any(row.warned for row in rows)
    left_out = run.config.get("leave_out")
    table = Table(
        headers=(
            "Source",
            *(["Class"] if several else []),
            "AUC",
            "Network − source",
            *(["Warning"] if warned else []),
        ),
        rows=tuple(
            (
                row.source,
                *([_class(row)] if several else []),
                estimate_text({"value": row.auc, "low": row.low, "high": row.high}),
                _difference(row),
                *([_WARNINGS[row.warned]] if warned else []),
            )
            for row in rows
        ),
        caption=f"On {count(rows[0].scans, 'scan')} of {rows[0].participants:,} participants or "
        "groups, with 95 % intervals from a bootstrap over them. A source is called as good as the "
        "network if the interval of its AUC is above 0.5 and that of the difference reaches below "
        "0.05." + (_LEFT_OUT.format(column=left_out) if left_out else ""),
    )
    details = tuple(
        f"{source}: {text}" for source, text in {r.source: r.detail for r in rows}.items() if text
    )
    sections = [Section("", table=table)]
    if details:
        sections.append(
            Section(
                "How they differ between the classes",
                ("Participants or groups of each class by value, or medians.",),
                points=details,
            )
        )
    return [Chapter("shortcuts", "Shortcuts", (_WHAT, _NOT_ALL), sections=tuple(sections))]


def shortcut_warnings(run: RunFolder) -> tuple[str, ...]:
    """Return a sentence for each source that predicts a class as well as the network."""
    found = {row.source: row for row in run.shortcuts or () if row.warned == "as the network"}
    return tuple(
        f"the {row.source} alone predicts {_told(row)} nearly as well as the network: AUC "
        f"{estimate_text({'value': row.auc, 'low': row.low, 'high': row.high})}, the network's "
        f"{estimate_text({'value': row.network})}; see Shortcuts"
        for row in found.values()
    )


def _told(row: ShortcutRow) -> str:
    return "the class" if row.class_name == ALL else f"“{row.class_name}”"


def _class(row: ShortcutRow) -> str:
    return "mean of all" if row.class_name == ALL else row.class_name


def _difference(row: ShortcutRow) -> str:
    return estimate_text(
        {"value": row.difference, "low": row.difference_low, "high": row.difference_high}
    )
