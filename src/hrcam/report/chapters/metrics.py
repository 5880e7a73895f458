"""The chapter on predictions: each metric with its interval, by class and by fold."""

from collections.abc import Callable, Mapping
from typing import Any

from hrcam.artifacts.run_folder import RunFolder
from hrcam.evaluation.worth import auc_statement, hanley_mcneil_interval, without_auc
from hrcam.report.figures.charts import HEAD, NETWORK
from hrcam.report.page.content import Section, Table
from hrcam.report.page.text import estimate_text

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
INTERVALS = (
    "95 % intervals from a bootstrap over subjects; those of an accuracy, sensitivity or "
    "specificity of 0 or 1 are Wilson's. A value has no interval if all resamples agree, e.g. "
    "on an AUC of 1, or if too many resamples lack a class."
)

_MIXED = (
    "The AUC over all scans also compares probabilities of different networks, which may be "
    "calibrated differently. The mean of folds compares each network with itself only, and has no "
    "interval."
)


_REPEATED = (
    "The training was repeated {repeats} times, with other {changed}. Metrics are means over the "
    "repeats, and intervals count each subject once."
)


_TEST = {
    True: "their fold, and the networks' predictions stay as they are",
    False: "all folds, in every repeat the same, and the networks' predictions stay as they are",
}


def metric_titles(run: RunFolder) -> dict[str, str]:
    """Return the title of each metric, with the positive class where it applies."""
    if run.positive is None:
        return METRICS
    of_class = {
        name: f"{METRICS[name]} ({run.positive})" for name in ("sensitivity", "specificity")
    }
    return METRICS | of_class


def metric_sections(run: RunFolder) -> tuple[Section, ...]:
    """Return the tables of metrics of predicted classes."""
    sources = _sources(run)
    source = str(run.metrics.get("source", "out-of-fold"))
    mixed = [_MIXED] if any(run.metrics[key].get("fold_mean") for key in sources.values()) else []
    mixed += list(
        filter(None, dict.fromkeys(without_auc(run.metrics[key]) for key in sources.values()))
    )
    first, *by_fold = metric_tables(
        run, metric_titles(run), (_explanation(run, source), *mixed), INTERVALS
    )
    sections = [first]
    if run.pooled("network").get("auc"):
        sections.append(_worth(run))
    sections += [
        Section(f"Networks together: {name}", paragraphs=(text,), table=table)
        for name, key in sources.items()
        for text, table in _together(run, key)
    ]
    sections += [
        Section(f"Calibrated: {name}", paragraphs=(text,), table=table)
        for name, key in sources.items()
        for text, table in _calibrated(run, key)
    ]
    sections += [
        Section(f"By class: {name}", table=table)
        for name, key in sources.items()
        if (table := _by_class(run, key))
    ]
    return (*sections, *by_fold)


def metric_tables(
    run: RunFolder,
    titles: Mapping[str, str],
    paragraphs: tuple[str, ...],
    intervals: str,
    text: Callable[[str, Any], str] = lambda _name, estimate: _alone(estimate),
) -> tuple[Section, ...]:
    """Return the tables of metrics: of all scans together, then of each fold.

    Parameters
    ----------
    run
        The run.
    titles
        Of each metric, by its name.
    paragraphs
        Above the first table.
    intervals
        How the intervals were computed.
    text
        Formats an estimate of a metric, given by its name.
    """
    sources = _sources(run)
    headers, columns = [], []
    for name, key in sources.items():
        headers.append(name)
        columns.append(run.pooled(key))
        if mean := run.metrics[key].get("fold_mean"):
            headers.append(f"{name}, mean of folds")
            columns.append(mean)
    if difference := run.metrics.get("head_minus_network"):
        columns.append(difference)
        headers.append("Head − network")
    repeated = []
    if run.repeats > 1:
        own = run.metrics.get("source") == "test split"
        changed = "seeds on the same split" if own else "folds and seeds"
        repeated = [_REPEATED.format(repeats=run.repeats, changed=changed)]
    explanation, *others = paragraphs
    together = Section(
        "All scans together",
        paragraphs=(explanation, *repeated, *others),
        table=Table(
            headers=("Metric", *headers),
            rows=tuple(
                (title, *(text(name, column.get(name)) for column in columns))
                for name, title in titles.items()
                if any(name in column for column in columns)
            ),
            numeric=tuple(range(1, 1 + len(headers))),
            caption=f"With {intervals}",
        ),
    )
    by_fold = (
        Section(f"By fold: {name}", table=table)
        for name, key in sources.items()
        if (table := _by_fold(run, key, titles, text))
    )
    return (together, *by_fold)


def _sources(run: RunFolder) -> dict[str, str]:
    return {name: key for name, key in _SOURCES.items() if run.pooled(key)}


def _explanation(run: RunFolder, source: str) -> str:
    meaning = (
        f"Sensitivity is of “{run.positive}”, the positive class, and specificity of all other "
        "scans, both by the most probable class."
        if run.positive is not None
        else "AUC, sensitivity and specificity are means over the classes, each against all others."
    )
    return (
        f"Source: {source}; no network was trained on the scans that it predicts. "
        f"{meaning} The head is that of HR-CAM. The calibration error is above zero even for "
        "perfect probabilities, more so with fewer scans."
    )


def _worth(run: RunFolder) -> Section:
    """Say what the AUC of the network is worth, and on what this rests."""
    scores = run.metrics["network"]
    auc, paragraphs = scores["pooled"]["auc"], [auc_statement(scores)]
    counts = [len({one.group for one in run.tested if one.label == name}) for name in run.classes]
    if run.positive is not None and auc["value"] is not None and all(counts):
        low, high = hanley_mcneil_interval(auc["value"], counts[1], counts[0])
        paragraphs.append(
            f"For comparison, the formula of Hanley and McNeil for {counts[1]} subjects of "
            f"“{run.classes[1]}” and {counts[0]} of “{run.classes[0]}” gives {low:.2f} to "
            f"{high:.2f}. All these intervals tell how the AUC of these networks varies with the "
            "subjects that are tested, not how networks vary with the subjects that train them."
        )
    if test := scores.get("better_than_chance"):
        paragraphs.append(
            f"In the permutation test subjects exchange their labels {test['permutations']:,} "
            f"times within {_TEST[test['within_folds']]}. It takes subjects for exchangeable if "
            f"images say nothing of the class.{_widened(test)}"
        )
    return Section("What the AUC is worth", paragraphs=tuple(paragraphs))


def _widened(test: Mapping[str, Any]) -> str:
    factor = test.get("widening", 1.0)
    if factor == 1:
        return ""
    return (
        " The test subjects of one fold train the networks of the others, so the AUC varies more "
        f"than these labellings do: their spread is widened by {factor:.2f} (Nadeau and Bengio, "
        "2003). The exact test trains anew on relabelled tables."
    )


def _together(run: RunFolder, source: str) -> list[tuple[str, Table]]:
    found = run.metrics[source].get("ensemble")
    if not found:
        return []
    text = (
        f"Each scan is predicted by {found['networks']} networks, one of each repeat, none of "
        "which was trained on it. Single: the mean of their metrics. Together: the metrics of "
        "their mean probabilities, which `hrcam map` writes; it maps a new scan by all "
        f"{run.manifest.get('folds')} networks of the run."
    )
    table = _compared(
        ("Single", run.pooled(source)),
        ("Together", found["pooled"]),
        found["minus_single"],
    )
    return [(text, table)]


def _calibrated(run: RunFolder, source: str) -> list[tuple[str, Table]]:
    found = run.metrics[source].get("calibrated")
    if not found:
        return []
    folds = found["fold_temperatures"]
    if found["temperature"] is None:
        advice = f"None is recommended for new scans: {found['why_none']}."
    else:
        advice = f"Of all folds it is {found['temperature']:.2f}, which is the one for new scans."
    text = (
        "The logits of each fold are divided by a temperature from the predictions of the other "
        f"folds, {min(folds):.2f} to {max(folds):.2f}; above 1 the {source} is too certain. "
        f"{advice} The order of scans within a fold stays as it is. Intervals take the "
        "temperatures as given."
    )
    table = _compared(
        ("As predicted", run.pooled(source)),
        ("Calibrated", found["pooled"]),
        found["minus_uncalibrated"],
    )
    return [(text, table)]


def _compared(
    before: tuple[str, Mapping[str, Any]],
    after: tuple[str, Mapping[str, Any]],
    difference: Mapping[str, Any],
) -> Table:
    """Return a table of metrics, each before, after and the difference."""
    return Table(
        headers=("Metric", before[0], after[0], "Difference"),
        rows=tuple(
            (
                title,
                estimate_text(before[1].get(name)),
                estimate_text(after[1][name]),
                estimate_text(difference[name]),
            )
            for name, title in METRICS.items()
            if name in after[1]
        ),
        numeric=(1, 2, 3),
    )


def _by_class(run: RunFolder, source: str) -> Table | None:
    classes: Mapping[str, Mapping[str, Any]] = run.pooled(source).get("per_class") or {}
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


def _by_fold(
    run: RunFolder, source: str, titles: Mapping[str, str], text: Callable[[str, Any], str]
) -> Table | None:
    folds = (run.metrics.get(source) or {}).get("folds") or []
    if len(folds) < 2:
        return None
    names = [name for name in titles if any(name in fold for fold in folds)]
    return Table(
        headers=("Fold", *(titles[name] for name in names)),
        rows=tuple(
            (str(fold.get("left_out", index)), *(text(name, fold.get(name)) for name in names))
            for index, fold in enumerate(folds, start=1)
        ),
        numeric=tuple(range(1, 1 + len(names))),
    )


def _alone(value: Any) -> str:
    """Format a value with or without an interval."""
    if isinstance(value, Mapping):
        return estimate_text(value)
    return estimate_text({"value": value})
