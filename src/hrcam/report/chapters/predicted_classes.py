"""What a report says of predicted classes."""

from dataclasses import dataclass

from hrcam.artifacts.run_folder import RunFolder
from hrcam.report.chapters.cohort import scans_by_class, scans_by_split
from hrcam.report.chapters.conclusion import conclusion, tested_scans
from hrcam.report.chapters.metrics import INTERVALS, metric_sections, metric_titles
from hrcam.report.figures.charts import confusions, prediction_charts
from hrcam.report.page.cohort_page import Chapter
from hrcam.report.page.content import Section
from hrcam.report.page.text import estimate_text, plain

UNKNOWN = "To be filled in by the authors."


@dataclass(frozen=True)
class PredictedClasses:
    """What a report says of a run that predicts classes.

    Attributes
    ----------
    run
        The run.
    """

    run: RunFolder

    strata = "class"
    intervals = INTERVALS
    averaged = "Probabilities and maps"
    output = "The probability of each class, and maps of evidence and pattern."
    errors = "See the confusion matrix"

    @property
    def conclusion(self) -> str:
        """Whether the network separates the classes, and how well."""
        return conclusion(self.run)

    @property
    def chapter(self) -> Chapter:
        """Curves, confusion matrices, and metrics."""
        return Chapter(
            "predictions",
            "Predictions",
            charts=prediction_charts(self.run),
            confusions=confusions(self.run),
            sections=metric_sections(self.run),
        )

    @property
    def scans(self) -> list[Section]:
        """The scans by class, and by split."""
        splits = self.run.splits
        return [
            scans_by_class(splits or self.run.tested),
            *([scans_by_split(splits)] if splits else []),
        ]

    @property
    def predicts(self) -> tuple[str, str]:
        """The classes."""
        return "Classes", ", ".join(self.run.classes)

    @property
    def data(self) -> str:
        """How many scans of each class were tested."""
        run = self.run
        labels = [prediction.label for prediction in run.tested]
        classes = ", ".join(f"{labels.count(name)} {name}" for name in run.classes)
        return f"{tested_scans(run.tested)} ({classes})"

    @property
    def compared(self) -> str:
        """The reference class of each class, if known."""
        found: dict[str, dict[str, None]] = {}
        for fold in self.run.manifest.get("fold_details", ()):
            for name, reference in fold.get("references", {}).items():
                found.setdefault(name, {})[reference or "all others"] = None
        texts = [f"{name} with {' or '.join(references)}" for name, references in found.items()]
        return f"{'; '.join(texts)}." if texts else UNKNOWN

    @property
    def measured(self) -> str:
        """Each metric of the network."""
        run = self.run
        found = [
            f"{title} {estimate_text(run.pooled('network')[name])}"
            for name, title in metric_titles(run).items()
            if name in run.pooled("network")
        ]
        source = plain(run.metrics.get("source"))
        return f"{'; '.join(found)} ({source}, 95 % intervals over subjects)." if found else UNKNOWN

    @property
    def metrics(self) -> str:
        """Names of the metrics."""
        of_class = (
            f" (positive class: {self.run.positive})"
            if self.run.positive
            else " (means over the classes)"
        )
        return (
            "AUC, balanced accuracy, accuracy, sensitivity and specificity"
            f"{of_class}, calibration error."
        )
