"""What a report says of several labels that are predicted at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import comb
from typing import Any

from hrcam.artifacts.run_folder import RunFolder
from hrcam.report.chapters.conclusion import above_chance, scored_on, tested_scans
from hrcam.report.chapters.metrics import INTERVALS, METRICS, metric_tables
from hrcam.report.page.cohort_page import Chapter
from hrcam.report.page.content import Section, Table
from hrcam.report.page.text import estimate_text, plain

_SOURCES = {"Network": "network", "HR-CAM head": "head"}


@dataclass(frozen=True)
class PredictedLabels:
    """What a report says of a run that predicts several labels.

    Attributes
    ----------
    run
        The run.
    """

    run: RunFolder

    strata = "combination of labels"
    intervals = INTERVALS
    averaged = "Probabilities and maps"
    output = "The probability of each label, and maps of evidence and pattern."
    errors = "See sensitivity and specificity of each label"
    metrics = (
        "AUC, balanced accuracy, accuracy, sensitivity, specificity, calibration error and Brier "
        "score, of each label and as means over the labels."
    )

    @property
    def conclusion(self) -> str:
        """Which labels the network predicts better than chance, and how well."""
        found = self.run.pooled("network")["per_label"]
        shown = [name for name, one in found.items() if self._above_chance(name, one["auc"])]
        unknown = [name for name in found if name not in shown]
        verdict = (
            f"The CNN predicts {_listed(shown)} better than chance."
            if shown
            else "It is not shown that the CNN predicts any label better than chance."
        )
        if shown and unknown:
            verdict += f" This is not shown of {_listed(unknown)}, nor what their maps show."
        each = "; ".join(f"{name} {estimate_text(one['auc'])}" for name, one in found.items())
        mean = estimate_text(self.run.pooled("network")["auc"])
        return (
            f"{verdict} {scored_on(self.run)}, in {tested_scans(self.run.labelled)} that it was "
            f"not trained on, the AUC is: {each}. The mean is {mean}."
        )

    @property
    def chapter(self) -> Chapter:
        """Metrics as means over the labels, and of each."""
        source = str(self.run.metrics.get("source", "out-of-fold"))
        explanation = (
            f"Source: {source}; no network was trained on the scans that it predicts. Metrics are "
            "means over the labels, each on the scans of which it is known; a label is predicted "
            "where its probability is more than 0.5. The head is that of HR-CAM. The calibration "
            "error is above zero even for perfect probabilities, more so with fewer scans."
        )
        first, *by_fold = metric_tables(self.run, METRICS, (explanation,), self.intervals)
        of_labels = (
            Section(f"By label: {name}", table=_by_label(self.run.pooled(key)["per_label"]))
            for name, key in _SOURCES.items()
        )
        return Chapter("predictions", "Predictions", sections=(first, *of_labels, *by_fold))

    @property
    def scans(self) -> list[Section]:
        """How many tested scans have each label."""
        rows = [row for row in self.run.labelled if row.repeat == 1]
        table = Table(
            ("Label", "Scans with it", "Scans without it", "Not known"),
            tuple(
                (name, *(str(sum(row.answers[place] is one for row in rows)) for one in _ANSWERS))
                for place, name in enumerate(self.run.labels)
            ),
            numeric=(1, 2, 3),
            caption="Scans of which a label is not known are neither learnt nor scored for it.",
        )
        return [Section("Scans and their labels", table=table)]

    @property
    def predicts(self) -> tuple[str, str]:
        """The labels."""
        return "Labels", ", ".join(self.run.labels)

    @property
    def data(self) -> str:
        """How many scans were tested, and how many have each label."""
        found = self.run.pooled("network")["per_label"]
        counts = ", ".join(f"{one['with_label']} {name}" for name, one in found.items())
        return f"{tested_scans(self.run.labelled)} ({counts})"

    @property
    def compared(self) -> str:
        """The reference of the maps."""
        return (
            "an image with those of the training of which the network's output for the label is "
            "not above the median."
        )

    @property
    def measured(self) -> str:
        """Each metric of the network."""
        found = self.run.pooled("network")
        each = "; ".join(f"{title} {estimate_text(found[name])}" for name, title in METRICS.items())
        source = plain(self.run.metrics.get("source"))
        return f"Means over the labels: {each} ({source}, 95 % intervals over subjects)."

    def _above_chance(self, label: str, auc: Mapping[str, Any]) -> bool:
        """Tell whether an AUC is above 0.5; a perfect one has no interval, but a probability."""
        place = self.run.labels.index(label)
        having, known = (
            {row.group for row in self.run.labelled if row.answers[place] in answers}
            for answers in ((True,), (True, False))
        )
        return above_chance(auc, 0.5, comb(len(known), len(having)))


_ANSWERS = (True, False, None)


def _by_label(found: Mapping[str, Mapping[str, Any]]) -> Table:
    return Table(
        ("Label", "With", "Without", *METRICS.values()),
        tuple(
            (
                name,
                *(str(one[key]) for key in ("with_label", "without_label")),
                *(estimate_text(one[metric]) for metric in METRICS),
            )
            for name, one in found.items()
        ),
        numeric=tuple(range(1, 3 + len(METRICS))),
    )


def _listed(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
