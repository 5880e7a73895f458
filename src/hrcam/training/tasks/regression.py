"""Regression: a value for each scan, as age."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from hrcam.artifacts.run_folder import pool_values
from hrcam.artifacts.scan_prediction import ScanPrediction, ValuePrediction
from hrcam.artifacts.value_tables import PredictedValue, encode_values
from hrcam.cohort.scan import Scan
from hrcam.cohort.values import value_of, with_strata
from hrcam.errors import InputError
from hrcam.evaluation.value_scores import VALUE_METRICS, score_values, value_differences
from hrcam.training.config import TrainingConfig
from hrcam.training.fold_scores import scores_by_fold
from hrcam.training.objectives import Objective, SquaredError
from hrcam.training.plan import BALANCE, Balance
from hrcam.training.scaled_output import ScaledOutput
from hrcam.training.tasks.task import Targets

_OF_CLASSES = ("positive", "reference", "balance")


@dataclass(frozen=True)
class Regression:
    """A value for each scan.

    Attributes
    ----------
    target
        Name of the value: that of the column of the table.
    """

    target: str

    reference = None
    compete = False
    classes = ()

    @classmethod
    def of(cls, config: TrainingConfig) -> Self:
        """Return the task of a run.

        Raises
        ------
        InputError
            If an option of the configuration needs classes.
        """
        for name in _OF_CLASSES:
            value = getattr(config, name) or getattr(config.plan, name, None)
            if value is not None and not (name == "balance" and value == BALANCE):
                raise InputError(
                    f"{name} is {value!r}, and a regression has no classes: leave it out"
                )
        if config.head == "labels":
            raise InputError(
                "the head 'labels' is a classifier: use 'logits' or 'joint' for a regression"
            )
        return cls(config.label_column or "label")

    @property
    def outputs(self) -> tuple[str, ...]:
        """The name of the value."""
        return (self.target,)

    def describe(self) -> dict[str, Any]:
        """Return the name of the task, and that of the value."""
        return {"task": "regression", "target": self.target}

    def targets(self, scans: Sequence[Scan]) -> Targets:
        """Return the value of each scan."""
        return np.array([value_of(scan) for scan in scans], dtype=np.float32)

    def stratified(
        self, scans: Sequence[Scan], voxel_hashes: Mapping[str, str], folds: int
    ) -> tuple[Scan, ...]:
        """Return the scans labelled with ranges of values, of which each fold has its share."""
        return with_strata(scans, voxel_hashes, folds)

    def standardised(self, targets: Targets, train: NDArray[np.int64]) -> Targets:
        """Return the values with mean 0 and standard deviation 1 over the training scans."""
        mean, scale = _scale(targets[train])
        return np.asarray((targets - mean) / scale, np.float32)

    def objective(self, targets: torch.Tensor, balance: Balance) -> Objective:
        """Return the mean squared error."""
        del targets, balance
        return SquaredError()

    def in_units(self, network: nn.Module, targets: Targets | None = None) -> nn.Module:
        """Return the network with its output in units of the value."""
        return ScaledOutput(network, *(() if targets is None else _scale(targets)))

    def activated(self, outputs: torch.Tensor) -> torch.Tensor:
        """Return the outputs, which are values."""
        return outputs

    def prediction(self, predicted: NDArray[np.float64]) -> ScanPrediction:
        """Return the value."""
        return ValuePrediction(self.target, float(predicted[0]))

    def encode_predictions(
        self, scans: Sequence[Scan], network: NDArray[np.float64], head: NDArray[np.float64]
    ) -> bytes:
        """Encode the values by the network and by the head."""
        return encode_values(
            PredictedValue(
                scan.name, scan.participant, scan.group, value_of(scan), None, of_network, of_head
            )
            for scan, of_network, of_head in zip(
                scans, network[:, 0].tolist(), head[:, 0].tolist(), strict=True
            )
        )

    def metrics(
        self, folder: Path, *, repeats: Sequence[int], source: str, seed: int
    ) -> dict[str, Any]:
        """Write the pooled predictions, and return R², mean absolute error and correlations."""
        rows = pool_values(folder, repeats)
        folds = np.array([row.fold for row in rows])
        true, network, head = (
            np.array([getattr(row, name) for row in rows]) for name in ("label", "network", "head")
        )

        def scored(who: str) -> dict[str, Any]:
            return scores_by_fold(
                folds, lambda part: _scores(list(compress(rows, part)), who, seed), VALUE_METRICS
            )

        differences = value_differences(true, head, network, **_units(rows), seed=seed)
        return {
            **self.describe(),
            "source": source,
            "network": scored("network"),
            "head": scored("head"),
            "head_minus_network": {name: one.to_json() for name, one in differences.items()},
        }


def _scale(targets: Targets) -> tuple[float, float]:
    """Return mean and standard deviation; 1 for values that are all the same."""
    values = targets.astype(np.float64)
    return float(values.mean()), float(values.std()) or 1.0


def _scores(rows: Sequence[PredictedValue], who: str, seed: int) -> dict[str, Any]:
    return score_values(
        [row.label for row in rows],
        [getattr(row, who) for row in rows],
        **_units(rows),
        seed=seed,
    ).to_json()


def _units(rows: Sequence[PredictedValue]) -> dict[str, Any]:
    """Return the subject and the repeat of each prediction."""
    return {"groups": [row.group for row in rows], "repeats": [row.repeat for row in rows]}
