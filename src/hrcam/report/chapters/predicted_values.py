"""What a report says of predicted values, as of a regression."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from hrcam.artifacts.run_folder import RunFolder
from hrcam.artifacts.run_tables import SplitRow
from hrcam.cohort.values import number_in
from hrcam.evaluation.estimate import significant, two_decimals
from hrcam.report.chapters.conclusion import scored_on, tested_scans
from hrcam.report.chapters.metrics import metric_tables
from hrcam.report.figures.value_charts import value_charts
from hrcam.report.page.cohort_page import Chapter
from hrcam.report.page.content import Section, Table
from hrcam.report.page.text import estimate_text, minus, plain


@dataclass(frozen=True)
class PredictedValues:
    """What a report says of a run that predicts a value.

    Attributes
    ----------
    run
        The run.
    target
        Name of the value.
    """

    run: RunFolder
    target: str

    strata = "ranges of the value"
    intervals = "95 % intervals from a bootstrap over subjects."
    averaged = "Values and maps"
    output = "The value, and maps of evidence and pattern."
    errors = "See the charts of predicted and true values"
    metrics = "R², mean absolute error, correlation of values (Pearson) and of ranks (Spearman)."

    @property
    def conclusion(self) -> str:
        """Whether the network predicts better than the mean, and how well."""
        low = (self.run.pooled("network").get("r2") or {}).get("low")
        if low is not None and low > 0:
            verdict = f"The CNN predicts {self.target} better than the mean of the scans does."
            rest = "This page shows its performance and its maps."
        else:
            verdict = (
                f"It is not shown that the CNN predicts {self.target} better than the mean of the "
                "scans does."
            )
            rest = f"It is unknown whether its maps show what goes with {self.target}."
        return (
            f"{verdict} {scored_on(self.run)}, in {tested_scans(self.run.values)} that it was not "
            f"trained on: {self._metrics_text('network')}. {rest}"
        )

    @property
    def chapter(self) -> Chapter:
        """Predicted against true values, and metrics."""
        source = str(self.run.metrics.get("source", "out-of-fold"))
        explanation = (
            f"Source: {source}; no network was trained on the scans that it predicts. R² is 1 for "
            "perfect predictions and 0 for the mean of these scans; it may be negative. The head "
            "is that of HR-CAM."
        )
        return Chapter(
            "predictions",
            "Predictions",
            charts=value_charts(self.run, self.target),
            sections=metric_tables(
                self.run, self._titles, (explanation,), self.intervals, _estimate
            ),
        )

    @property
    def scans(self) -> list[Section]:
        """The values of the scans of each part of the split."""
        splits = self.run.splits
        return [Section(f"Scans and their {self.target}", table=_by_split(splits))]

    @property
    def predicts(self) -> tuple[str, str]:
        """The name of the value."""
        return "Predicts", self.target

    @property
    def data(self) -> str:
        """How many scans were tested, and the range of their values."""
        values = [row.label for row in self.run.values]
        return f"{tested_scans(self.run.values)} ({self.target} from {_span(values)})"

    @property
    def compared(self) -> str:
        """The reference of the maps."""
        return (
            f"an image with those of the training whose predicted {self.target} is not above the "
            "median."
        )

    @property
    def measured(self) -> str:
        """Each metric of the network."""
        source = plain(self.run.metrics.get("source"))
        return f"{self._metrics_text('network')} ({source}, 95 % intervals over subjects)."

    @property
    def _titles(self) -> dict[str, str]:
        return {
            "r2": "R²",
            "mae": f"Mean absolute error of {self.target}",
            "pearson": "Correlation (Pearson)",
            "spearman": "Correlation of ranks (Spearman)",
        }

    def _metrics_text(self, source: str) -> str:
        found = self.run.pooled(source)
        return "; ".join(
            f"{title} {_estimate(name, found.get(name))}" for name, title in self._titles.items()
        )


def _by_split(rows: Sequence[SplitRow]) -> Table:
    """Return number, participants and values of each part."""
    parts: dict[str, list[SplitRow]] = {}
    for row in rows:
        left_out = f", {row.left_out} left out" if row.left_out else ""
        tested = [f"tested by fold {fold}{left_out}" for fold in row.tested_by]
        for name in [row.split] if row.split else tested:
            parts.setdefault(name, []).append(row)
    listed = [*sorted(parts.items(), key=lambda item: (len(item[0]), item[0])), ("All", rows)]
    return Table(
        ("Part", "Scans", "Participants", "Lowest", "Median", "Highest"),
        tuple((name, *_described(part)) for name, part in listed),
        numeric=(1, 2, 3, 4, 5),
        caption="All scans of a participant, and identical images, are in one part.",
    )


def _described(rows: Sequence[SplitRow]) -> tuple[str, ...]:
    values = [value for row in rows if (value := number_in(row.label)) is not None]
    people = len({row.participant for row in rows})
    middle = (min(values), median(values), max(values)) if values else ()
    numbers = tuple(minus(significant(value)) for value in middle) or ("", "", "")
    return (str(len(rows)), str(people), *numbers)


def _span(values: Sequence[float]) -> str:
    return minus(f"{significant(min(values))} to {significant(max(values))}")


def _estimate(name: str, estimate: Mapping[str, Any] | None) -> str:
    """Format an estimate; an error is in units of the value."""
    return estimate_text(estimate, significant if name == "mae" else two_decimals)
