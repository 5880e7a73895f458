"""Probabilities of a run, calibrated by temperatures from other folds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hrcam.evaluation.prediction import score_predictions
from hrcam.evaluation.prediction_arrays import PredictionArrays, paired_differences
from hrcam.evaluation.prediction_metrics import Metric
from hrcam.evaluation.temperature import (
    MOST,
    FoldTemperatures,
    at_limit,
    fold_temperatures,
    with_temperature,
)

_METRICS: tuple[Metric, ...] = ("calibration_error", "brier_score")
_SPOKEN: dict[Metric, str] = {
    "calibration_error": "calibration error",
    "brier_score": "Brier score",
}


@dataclass(frozen=True, eq=False)
class Calibration:
    """Calibrated probabilities of one predictor.

    Attributes
    ----------
    temperatures
        Of each fold, and for new scans.
    probabilities
        Calibrated, shape (N, K).
    """

    temperatures: FoldTemperatures
    probabilities: NDArray[np.float64]

    @classmethod
    def of(cls, found: PredictionArrays) -> "Calibration | None":
        """Calibrate each fold by the others of its division; None where there are no others."""
        temperatures = fold_temperatures(
            found.labels, found.probabilities, found.folds, found.repeats
        )
        if temperatures is None:
            return None
        of_rows = np.array([temperatures.by_fold[fold] for fold in found.folds.tolist()])
        return cls(temperatures, with_temperature(found.probabilities, of_rows))

    def to_json(self, found: PredictionArrays, classes: Sequence[str], seed: int) -> dict[str, Any]:
        """Return temperatures, calibrated metrics, and by how much these differ from those before.

        Intervals are of the calibrated predictions, with the temperatures as they are. Where no
        temperature helps, ``temperature`` is None, and ``why_none`` says why.
        """
        after = score_predictions(
            found.labels,
            self.probabilities,
            classes=classes,
            groups=found.groups,
            repeats=found.repeats,
            seed=seed,
        ).to_json()
        difference = paired_differences(
            found, self.probabilities, found.probabilities, _METRICS, seed
        )
        reason = _why_none(self.temperatures.everyone, difference)
        return {
            "temperature": None if reason else self.temperatures.everyone,
            "why_none": reason,
            "fold_temperatures": list(self.temperatures.by_fold.values()),
            "pooled": {metric: after[metric] for metric in _METRICS},
            "minus_uncalibrated": difference,
        }


def _why_none(temperature: float, difference: Mapping[Metric, Mapping[str, Any]]) -> str | None:
    """Say why no temperature is recommended; None if it helps."""
    if at_limit(temperature):
        if temperature > 1:
            return (
                f"the best is at the limit of the search, {MOST:.0f}: probabilities that say "
                "nothing of the class would be better, so no temperature helps"
            )
        return (
            f"the best is at the limit of the search, {1 / MOST:.2f}: the probabilities are nearly "
            "the same for all scans"
        )
    worse = [name for name in _METRICS if (difference[name]["value"] or 0) > 0]
    if not worse:
        return None
    return f"it makes the {' and the '.join(_SPOKEN[name] for name in worse)} of other folds worse"
