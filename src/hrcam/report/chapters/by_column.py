"""The chapter on columns: whether the network is as good at every site, for every sex and age."""

from hrcam.artifacts.by_column_table import SCORED, ByColumnRow
from hrcam.artifacts.run_folder import RunFolder
from hrcam.report.chapters.metrics import METRICS
from hrcam.report.page.cohort_page import Chapter
from hrcam.report.page.content import Section, Table
from hrcam.report.page.text import estimate_text

_WHAT = (
    "The network's metrics on the tested scans of each value of a column, with 95 % intervals from "
    "a bootstrap over participants or groups. Columns of numbers are divided in thirds. A value "
    "with fewer than 10 participants is not scored, and one with scans of a single class has no "
    "AUC. Differences between values may be due to chance: compare the intervals."
)


def by_column_chapter(run: RunFolder) -> list[Chapter]:
    """Return the chapter; none for a run that was not asked for it."""
    columns = dict.fromkeys(row.column for row in run.by_column)
    if not columns:
        return []
    sections = tuple(
        Section(name, table=_table([row for row in run.by_column if row.column == name]))
        for name in columns
    )
    return [Chapter("columns", "By column", (_WHAT,), sections=sections)]


def _table(rows: list[ByColumnRow]) -> Table:
    return Table(
        headers=("Value", "Scans", "Participants", *(METRICS[name] for name in SCORED)),
        rows=tuple(
            (
                *(row.value, str(row.scans), str(row.participants)),
                *(_text(row, name) for name in SCORED),
            )
            for row in rows
        ),
        numeric=(1, 2, 3, 4, 5),
    )


def _text(row: ByColumnRow, metric: str) -> str:
    if not row.metrics:
        return "too few"
    return estimate_text(dict(zip(("value", "low", "high"), row.metrics[metric], strict=True)))
