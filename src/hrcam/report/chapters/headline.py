"""What a run has shown, in two or three sentences that claim no more than its intervals do."""

from collections.abc import Mapping
from math import comb

import numpy as np

from hrcam.artifacts.run_folder import RunFolder
from hrcam.report.page.text import count, estimate_text

# The largest probability of a perfect score by chance that still counts for something: one tail
# of a 95 % interval.
_TAIL = 0.025
_SOURCES = {"out-of-fold": "Out-of-fold", "test split": "On the test split"}


def headline(run: RunFolder) -> str:
    """Say whether the network tells the classes apart, measured on what, and how well.

    It does where the 95 % interval of its AUC lies above chance. Where that of its balanced
    accuracy does not, the class that it names is no better than a guess, and that is said too.
    """
    classes = f"{', '.join(run.classes[:-1])} and {run.classes[-1]}"
    always = _only_class(run)
    if not _above_chance(run, "auc", 1 / 2):
        calls = f" It calls every scan “{always}”." if always else ""
        verdict = f"A CNN could not be shown to tell {classes} apart.{calls}"
        rest = "Whether its maps show anything of these classes is not known."
    elif not _above_chance(run, "balanced_accuracy", 1 / len(run.classes)):
        names = (
            f"it calls every scan “{always}”"
            if always
            else "the class that it names could not be shown to be better than a guess"
        )
        verdict = f"A CNN ranks {classes} apart, but {names}."
        rest = "This page shows how, and what it looks at."
    else:
        verdict = f"A CNN tells {classes} apart."
        rest = "This page shows how well, and what it looks at."
    return f"{verdict} {_measured(run)} {rest}"


def _measured(run: RunFolder) -> str:
    source = str(run.metrics.get("source", "out-of-fold"))
    people = {prediction.participant for prediction in run.predictions}
    network = run.pooled("network")
    auc, accuracy = (estimate_text(network.get(name)) for name in ("auc", "balanced_accuracy"))
    intervals = " (95 % intervals in brackets)" if "(" in auc + accuracy else ""
    return (
        f"{_SOURCES.get(source, source)}, in {count(len(run.predictions), 'scan')} of "
        f"{count(len(people), 'participant')} that it had not seen: AUC {auc}, balanced accuracy "
        f"{accuracy}{intervals}."
    )


def _only_class(run: RunFolder) -> str | None:
    """Return the class that the network calls every scan, if it does."""
    called = {int(np.argmax(prediction.network)) for prediction in run.predictions}
    return run.classes[called.pop()] if len(called) == 1 else None


def _above_chance(run: RunFolder, metric: str, chance: float) -> bool:
    """Tell whether the lower end of an interval is above chance; without one, say no.

    A perfect score has no interval. By chance it would come once in as many times as there are
    ways to choose the participants of a class.
    """
    estimate = run.pooled("network").get(metric)
    if not isinstance(estimate, Mapping):
        return False
    low = estimate.get("low")
    if low is not None:
        return bool(low > chance)
    return estimate.get("value") == 1 and 1 / _ways(run) < _TAIL


def _ways(run: RunFolder) -> int:
    """Return in how many ways the participants of the smallest class could be chosen."""
    people = {prediction.participant for prediction in run.predictions}
    of_class = [
        len({each.participant for each in run.predictions if each.label == name})
        for name in run.classes
    ]
    return comb(len(people), min(of_class))
