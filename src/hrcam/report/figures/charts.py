"""Charts of predictions, which the page draws as vector graphics."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hrcam.artifacts.run_folder import RunFolder
from hrcam.artifacts.run_tables import Prediction
from hrcam.evaluation.calibration import reliability
from hrcam.evaluation.roc import roc_points

NETWORK, HEAD = "Network", "HR-CAM head"
# Of a chart of probabilities.
_TICKS = tuple((quarter / 4, f"{quarter / 4:g}") for quarter in range(5))
# Fewest scans in a bin.
_BIN = 10
_BINS = 10
_THIN = {False: "the network of each fold", True: "the networks of each repeat"}


@dataclass(frozen=True)
class Series:
    """One curve, or points with intervals.

    Attributes
    ----------
    name
        Name in the legend; "" for none.
    points
        x and y from 0 to 1, in order.
    intervals
        Lower and upper end for each point, or empty.
    style
        "0", "1", ... for a colour of the page, or "thin" for a background curve.
    joined
        Whether a line joins the points.
    """

    name: str
    points: tuple[tuple[float, float], ...]
    intervals: tuple[tuple[float, float], ...] = ()
    style: str = "0"
    joined: bool = True


@dataclass(frozen=True)
class Chart:
    """A square chart with its diagonal, in coordinates from 0 to 1.

    Attributes
    ----------
    title, x_label, y_label, note
        Texts; the note is below the chart.
    series
        Series, background curves first.
    ticks
        Places of both axes with their labels.
    """

    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    note: str = ""
    ticks: tuple[tuple[float, str], ...] = _TICKS


@dataclass(frozen=True)
class Confusion:
    """A confusion matrix.

    Attributes
    ----------
    title
        Source of the predictions.
    classes
        Names.
    counts
        True classes in rows, predicted ones in columns.
    """

    title: str
    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]

    def share(self, row: int, column: int) -> float:
        """Return a count as a fraction of the scans of its true class."""
        return self.counts[row][column] / max(sum(self.counts[row]), 1)


def prediction_charts(run: RunFolder) -> tuple[Chart, ...]:
    """Return ROC curves and reliability plots of the network and of HR-CAM's head."""
    labels = _labels(run.predictions, run.classes)
    sources = _probabilities(run)
    charts: list[Chart] = []
    if len(run.classes) == 2:
        positive = f"{run.positive} (the positive class)"
        curves = [
            Series(name, points, style=str(index))
            for index, (name, values) in enumerate(sources.items())
            if (points := _roc(labels, values, 1))
        ]
        folds = _fold_curves(run, labels, sources[NETWORK])
        note = f"Thin: {_THIN[run.repeats > 1]}." if folds else ""
        charts.append(_roc_chart(f"ROC: {positive}", (*folds, *curves), note))
        charts.append(
            _reliability_chart(
                f"Reliability: {positive}",
                [
                    _reliability(name, labels, values, 1, str(index), run.repeats)
                    for index, (name, values) in enumerate((sources | _calibrated(run)).items())
                ],
            )
        )
        return tuple(charts)
    for name, values in sources.items():
        curves = [
            Series(label, points, style=str(index))
            for index, label in enumerate(run.classes)
            if (points := _roc(labels, values, index))
        ]
        charts.append(_roc_chart(f"ROC: {name}", tuple(curves), "Each class against all others."))
        charts.append(
            _reliability_chart(
                f"Reliability: {name}",
                [
                    _reliability(label, labels, values, index, str(index), run.repeats)
                    for index, label in enumerate(run.classes)
                ],
            )
        )
    return tuple(charts)


def confusions(run: RunFolder) -> tuple[Confusion, ...]:
    """Return the confusion matrix of the network and of HR-CAM's head."""
    labels, number = _labels(run.predictions, run.classes), len(run.classes)
    found = []
    for name, values in _probabilities(run).items():
        counts = np.zeros((number, number), int)
        np.add.at(counts, (labels, values.argmax(1)), 1)
        found.append(Confusion(name, run.classes, tuple(map(tuple, counts.tolist()))))
    return tuple(found)


def _labels(predictions: Sequence[Prediction], classes: Sequence[str]) -> NDArray[np.intp]:
    return np.array([classes.index(prediction.label) for prediction in predictions])


def _probabilities(run: RunFolder) -> dict[str, NDArray[np.float64]]:
    sources = {NETWORK: np.array([prediction.network for prediction in run.predictions])}
    heads = [prediction.head for prediction in run.predictions]
    if all(head is not None for head in heads):
        sources[HEAD] = np.array(heads, float)
    return sources


def _calibrated(run: RunFolder) -> dict[str, NDArray[np.float64]]:
    values = [prediction.calibrated for prediction in run.predictions]
    return {} if None in values else {f"{NETWORK}, calibrated": np.array(values, float)}


def _fold_curves(
    run: RunFolder, labels: NDArray[np.intp], values: NDArray[np.float64]
) -> tuple[Series, ...]:
    # The curves of all folds of many repeats would hide each other.
    parts = np.array([one.repeat if run.repeats > 1 else one.fold for one in run.predictions])
    names = sorted(set(parts.tolist()))
    if len(names) < 2:
        return ()
    curves = (_roc(labels[parts == name], values[parts == name], 1) for name in names)
    return tuple(Series("", points, style="thin") for points in curves if points)


def _roc(
    labels: NDArray[np.intp], values: NDArray[np.float64], positive: int
) -> tuple[tuple[float, float], ...]:
    """Return a curve, empty if one side has no images."""
    hits = labels == positive
    if hits.all() or not hits.any():
        return ()
    points = roc_points(labels, values, positive=positive)
    return tuple((float(x), float(y)) for x, y in points)


def _reliability(
    name: str,
    labels: NDArray[np.intp],
    values: NDArray[np.float64],
    positive: int,
    style: str,
    repeats: int,
) -> Series:
    number = min(max(len(labels) // repeats // _BIN, 1), _BINS)
    bins = reliability(labels, values, number, positive=positive, repeats=repeats)
    return Series(
        name,
        tuple((each.predicted, each.observed) for each in bins),
        tuple((each.low, each.high) for each in bins),
        style,
    )


def _roc_chart(title: str, series: tuple[Series, ...], note: str) -> Chart:
    return Chart(title, "1 − specificity", "Sensitivity", series, note)


def _reliability_chart(title: str, series: Sequence[Series]) -> Chart:
    note = "Bins of equal numbers of scans; 95 % intervals. Diagonal: perfect calibration."
    return Chart(title, "Predicted probability", "Observed frequency", tuple(series), note)
