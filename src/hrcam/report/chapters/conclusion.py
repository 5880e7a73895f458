"""The conclusion of a run in two or three sentences, supported by its intervals."""

from collections.abc import Collection, Mapping
from math import comb
from typing import Any

import numpy as np

from hrcam.artifacts.label_tables import LabelPrediction
from hrcam.artifacts.run_folder import RunFolder
from hrcam.artifacts.run_tables import Prediction
from hrcam.artifacts.value_tables import PredictedValue
from hrcam.report.page.text import count, estimate_text

# A perfect score counts if its probability by chance is below this: one tail of a 95 % interval.
_TAIL = 0.025
Tested = Prediction | PredictedValue | LabelPrediction
_SOURCES = {"out-of-fold": "Out-of-fold", "test split": "On the test split"}


def conclusion(run: RunFolder) -> str:
    """Return whether the network separates the classes, on which scans, and how well.

    It does if the 95 % interval of its AUC is above chance. If that of its balanced accuracy is
    not, the predicted class is no better than chance, which is stated too.
    """
    classes = f"{', '.join(run.classes[:-1])} and {run.classes[-1]}"
    always = _only_class(run)
    if not _above_chance(run, "auc", 1 / 2):
        calls = f" It predicts “{always}” for every scan." if always else ""
        verdict = f"It is not shown that the CNN separates {classes} better than chance.{calls}"
        rest = "It is unknown whether its maps show properties of these classes."
    elif not _above_chance(run, "balanced_accuracy", 1 / len(run.classes)):
        names = (
            f"it predicts “{always}” for every scan"
            if always
            else "its predicted class is not shown to be better than chance"
        )
        verdict = f"The CNN ranks scans of {classes} better than chance, but {names}."
        rest = "This page shows its performance and its maps."
    else:
        verdict = f"The CNN separates {classes}."
        rest = "This page shows its performance and its maps."
    return f"{verdict} {_measured(run)} {rest}"


def scored_on(run: RunFolder) -> str:
    """Say on which scans a run is scored, to begin a sentence."""
    source = str(run.metrics.get("source", "out-of-fold"))
    return _SOURCES.get(source, source.capitalize())


def tested_scans(rows: Collection[Tested]) -> str:
    """Say how many scans of how many participants were tested, each once or by several repeats."""
    people = {row.participant for row in rows}
    scans = count(len({row.scan for row in rows}), "scan")
    return f"{scans} of {count(len(people), 'participant')}"


def _measured(run: RunFolder) -> str:
    network = run.pooled("network")
    auc, accuracy = (estimate_text(network.get(name)) for name in ("auc", "balanced_accuracy"))
    intervals = " (95 % intervals in brackets)" if "(" in auc + accuracy else ""
    return (
        f"{scored_on(run)}, in {tested_scans(run.tested)} that it was not trained on: AUC {auc}, "
        f"balanced accuracy {accuracy}{intervals}."
    )


def _only_class(run: RunFolder) -> str | None:
    """Return the class that the network predicts for every scan, if it does."""
    called = {int(np.argmax(prediction.network)) for prediction in run.predictions}
    return run.classes[called.pop()] if len(called) == 1 else None


def _above_chance(run: RunFolder, metric: str, chance: float) -> bool:
    """Return whether the lower end of an interval is above chance; False without an interval.

    A perfect score has no interval. Its probability by chance is 1 over the number of ways to
    choose the participants of a class.
    """
    estimate = run.pooled("network").get(metric)
    return isinstance(estimate, Mapping) and above_chance(estimate, chance, _ways(run))


def above_chance(estimate: Mapping[str, Any], chance: float, ways: int) -> bool:
    """Return whether an estimate is above chance, perfect ones by the number of ways to guess."""
    low = estimate.get("low")
    if low is not None:
        return bool(low > chance)
    return estimate.get("value") == 1 and 1 / ways < _TAIL


def _ways(run: RunFolder) -> int:
    """Return the number of ways to choose the participants of the smallest class."""
    people = {prediction.participant for prediction in run.predictions}
    of_class = [
        len({each.participant for each in run.predictions if each.label == name})
        for name in run.classes
    ]
    return comb(len(people), min(of_class))
