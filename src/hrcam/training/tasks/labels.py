"""Several labels at once, each of which a scan has or has not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from hrcam.artifacts.label_tables import LabelPrediction, encode_labels
from hrcam.artifacts.run_folder import pool_labels
from hrcam.artifacts.scan_prediction import LabelsPrediction, ScanPrediction
from hrcam.cohort.scan import Scan
from hrcam.cohort.several_labels import answers_of, label_names, with_combinations
from hrcam.errors import InputError
from hrcam.evaluation.label_scores import label_differences, score_labels
from hrcam.evaluation.prediction_metrics import METRICS
from hrcam.training.config import TrainingConfig
from hrcam.training.fold_scores import scores_by_fold
from hrcam.training.objectives import MaskedBinaryCrossEntropy, Objective
from hrcam.training.plan import BALANCE, Balance
from hrcam.training.tasks.task import Targets

_OF_CLASSES = ("positive", "reference")


@dataclass(frozen=True)
class Labels:
    """Several labels for each scan, which do not exclude each other.

    Attributes
    ----------
    outputs
        Names of the labels: those of the columns of the table.
    """

    outputs: tuple[str, ...]

    reference = None
    compete = False
    classes = ()

    @classmethod
    def of(cls, config: TrainingConfig) -> Self:
        """Return the task of a run.

        Raises
        ------
        InputError
            If there are no names of several labels, or an option needs classes that exclude each
            other.
        """
        for name in _OF_CLASSES:
            if (value := getattr(config, name)) is not None:
                raise InputError(
                    f"{name} is {value!r}, and several labels have no such class: leave it out"
                )
        balance = config.balance or getattr(config.plan, "balance", None)
        if balance not in (None, BALANCE):
            raise InputError(
                f"balance is {balance!r}, and a scan of several labels cannot be drawn by one: use "
                f"{BALANCE!r}"
            )
        if config.head == "labels":
            raise InputError(
                "the head 'labels' is a classifier of one class: use 'logits' or 'joint' for "
                "several labels"
            )
        return cls(label_names(config.label_column))

    def describe(self) -> dict[str, Any]:
        """Return the name of the task, and the labels."""
        return {"task": "labels", "labels": list(self.outputs)}

    def targets(self, scans: Sequence[Scan]) -> Targets:
        """Return whether each scan has each label: 1, 0, or NaN where it is not known, (N, K)."""
        answers = [answers_of(scan, self.outputs) for scan in scans]
        return np.array(
            [[np.nan if one is None else float(one) for one in row] for row in answers], np.float32
        )

    def stratified(
        self, scans: Sequence[Scan], voxel_hashes: Mapping[str, str], folds: int
    ) -> tuple[Scan, ...]:
        """Return the scans labelled with combinations of labels, of which each fold has a share."""
        return with_combinations(scans, voxel_hashes, folds)

    def standardised(self, targets: Targets, train: NDArray[np.int64]) -> Targets:
        """Return the answers as they are."""
        del train
        return targets

    def objective(self, targets: torch.Tensor, balance: Balance) -> Objective:
        """Return the binary cross-entropy of the known answers, balanced for each label."""
        del balance
        return MaskedBinaryCrossEntropy.of(targets)

    def in_units(self, network: nn.Module, targets: Targets | None = None) -> nn.Module:
        """Return the network as it is."""
        del targets
        return network

    def activated(self, outputs: torch.Tensor) -> torch.Tensor:
        """Return the probability of each label."""
        return outputs.sigmoid()

    def prediction(self, predicted: NDArray[np.float64]) -> ScanPrediction:
        """Return the labels that are more probable than not, with the probability of each."""
        return LabelsPrediction(dict(zip(self.outputs, predicted.tolist(), strict=True)))

    def encode_predictions(
        self, scans: Sequence[Scan], network: NDArray[np.float64], head: NDArray[np.float64]
    ) -> bytes:
        """Encode the probabilities of each label, by the network and by the head."""
        rows = (
            LabelPrediction(
                scan.name,
                scan.participant,
                scan.group,
                answers_of(scan, self.outputs),
                None,
                tuple(of_network),
                tuple(of_head),
            )
            for scan, of_network, of_head in zip(
                scans, network.tolist(), head.tolist(), strict=True
            )
        )
        return encode_labels(rows, self.outputs)

    def metrics(
        self, folder: Path, *, repeats: Sequence[int], source: str, seed: int
    ) -> dict[str, Any]:
        """Write the pooled predictions, and return the metrics of each label and their means."""
        rows = pool_labels(folder, repeats, self.outputs)
        folds = np.array([row.fold for row in rows])

        def scored(who: str) -> dict[str, Any]:
            return scores_by_fold(
                folds, lambda part: self._scores(list(compress(rows, part)), who, seed), METRICS
            )

        differences = label_differences(
            _answers(rows), _of(rows, "head"), _of(rows, "network"), self.outputs,
            **_units(rows), seed=seed,
        )  # fmt: skip
        return {
            **self.describe(),
            "source": source,
            "network": scored("network"),
            "head": scored("head"),
            "head_minus_network": {name: one.to_json() for name, one in differences.items()},
        }

    def _scores(self, rows: Sequence[LabelPrediction], who: str, seed: int) -> dict[str, Any]:
        return score_labels(
            _answers(rows), _of(rows, who), self.outputs, **_units(rows), seed=seed
        ).to_json()


def _answers(rows: Sequence[LabelPrediction]) -> NDArray[np.float64]:
    return np.array([row.answers for row in rows], np.float64)  # None becomes NaN


def _of(rows: Sequence[LabelPrediction], who: str) -> NDArray[np.float64]:
    return np.array([getattr(row, who) for row in rows], np.float64)


def _units(rows: Sequence[LabelPrediction]) -> dict[str, Any]:
    """Return the subject and the repeat of each prediction."""
    return {"groups": [row.group for row in rows], "repeats": [row.repeat for row in rows]}
