"""What a report says of the predictions of a run: a way for each task."""

from typing import Protocol

from hrcam.artifacts.run_folder import RunFolder
from hrcam.report.chapters.predicted_classes import PredictedClasses
from hrcam.report.chapters.predicted_labels import PredictedLabels
from hrcam.report.chapters.predicted_values import PredictedValues
from hrcam.report.page.cohort_page import Chapter
from hrcam.report.page.content import Section


class Predicted(Protocol):
    """What a report says of what the networks of a run predict."""

    @property
    def conclusion(self) -> str:
        """Whether they predict better than chance, and how well, in two or three sentences."""

    @property
    def chapter(self) -> Chapter:
        """Charts and metrics."""

    @property
    def scans(self) -> list[Section]:
        """Tables of the scans of the cohort."""

    @property
    def predicts(self) -> tuple[str, str]:
        """A row of the model card: what is predicted."""

    @property
    def data(self) -> str:
        """The test data, in one line."""

    @property
    def compared(self) -> str:
        """What the pattern maps compare an image with."""

    @property
    def measured(self) -> str:
        """The performance of the network, in one line."""

    @property
    def strata(self) -> str:
        """What the folds have equal shares of."""

    @property
    def metrics(self) -> str:
        """Names of the metrics, for a checklist."""

    @property
    def intervals(self) -> str:
        """How their intervals were computed."""

    @property
    def averaged(self) -> str:
        """What of a new scan is a mean over the networks."""

    @property
    def output(self) -> str:
        """What the program puts out for a scan."""

    @property
    def errors(self) -> str:
        """Where the page shows errors."""


def predicted_by(run: RunFolder) -> Predicted:
    """Return what a report says of the predictions of a run."""
    if run.target is not None:
        return PredictedValues(run, run.target)
    return PredictedLabels(run) if run.labels else PredictedClasses(run)
