"""What a report says of the predictions: each metric with its interval, by class and by fold."""

from collections.abc import Mapping
from typing import Any

from hrcam.report.charts import HEAD, NETWORK
from hrcam.report.page import Section, Table
from hrcam.report.run_folder import RunFolder
from hrcam.report.text import estimate_text

METRICS = {
    "auc": "AUC",
    "balanced_accuracy": "Balanced accuracy",
    "accuracy": "Accuracy",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "calibration_error": "Calibration error",
    "brier_score": "Brier score",
}
_SOURCES = {NETWORK: "network", HEAD: "head"}


def pooled(run: RunFolder, source: str) -> Mapping[str, Any]:
    """Return the metrics of all tested scans, of "network" or "head"; empty if there are none."""
    found: Mapping[str, Any] = (run.metrics.get(source) or {}).get("pooled") or {}
    return found


def metric_sections(run: RunFolder) -> tuple[Section, ...]:
    """Return the tables of metrics."""
    sources = {name: key for name, key in _SOURCES.items() if pooled(run, key)}
    columns = [pooled(run, key) for key in sources.values()]
    headers = [*sources]
    if difference := run.metrics.get("head_minus_network"):
        columns.append(difference)
        headers.append("Head − network")
    source = str(run.metrics.get("source", "out-of-fold"))
    sections = [
        Section(
            "All scans together",
            paragraphs=(_explanation(run, source),),
            table=Table(
                headers=("Metric", *headers),
                rows=tuple(
                    (title, *(estimate_text(column.get(name)) for column in columns))
                    for name, title in METRICS.items()
                    if any(name in column for column in columns)
                ),
                numeric=tuple(range(1, 1 + len(headers))),
                caption="With 95 % intervals from a bootstrap over subjects.",
            ),
        )
    ]
    sections += [
        Section(f"By class: {name}", table=table)
        for name, key in sources.items()
        if (table := _by_class(run, key))
    ]
    sections += [
        Section(f"By fold: {name}", table=table)
        for name, key in sources.items()
        if (table := _by_fold(run, key))
    ]
    return tuple(sections)


def _explanation(run: RunFolder, source: str) -> str:
    positive = run.classes[-1]
    meaning = (
        f"Sensitivity and specificity are those of “{positive}”, at the most probable class."
        if len(run.classes) == 2
        else "AUC, sensitivity and specificity are means over the classes, each against all others."
    )
    return (
        f"Source: {source}; every prediction is of a scan that its network had not seen. "
        f"{meaning} The head is HR-CAM's own, beside the network's output. The calibration error "
        "is above zero for perfect probabilities too, the more so the fewer the scans."
    )


def _by_class(run: RunFolder, source: str) -> Table | None:
    classes: Mapping[str, Mapping[str, Any]] = pooled(run, source).get("per_class") or {}
    names = [name for name in METRICS if any(name in values for values in classes.values())]
    if not names:
        return None
    return Table(
        headers=("Class", *(METRICS[name] for name in names)),
        rows=tuple(
            (label, *(estimate_text(values.get(name)) for name in names))
            for label, values in classes.items()
        ),
        numeric=tuple(range(1, 1 + len(names))),
    )


def _by_fold(run: RunFolder, source: str) -> Table | None:
    folds = (run.metrics.get(source) or {}).get("folds") or []
    if len(folds) < 2:
        return None
    names = [name for name in METRICS if any(name in fold for fold in folds)]
    return Table(
        headers=("Fold", *(METRICS[name] for name in names)),
        rows=tuple(
            (str(fold.get("fold", index)), *(_alone(fold.get(name)) for name in names))
            for index, fold in enumerate(folds, start=1)
        ),
        numeric=tuple(range(1, 1 + len(names))),
    )


def _alone(value: Any) -> str:
    """Write a value that may or may not have an interval."""
    if isinstance(value, Mapping):
        return estimate_text(value)
    return estimate_text({"value": value})
