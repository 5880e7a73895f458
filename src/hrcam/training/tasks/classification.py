"""Classification: one class of several for each scan."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from hrcam.artifacts.run_tables import Prediction, encode_predictions, likeliest
from hrcam.artifacts.scan_prediction import ClassPrediction, ScanPrediction
from hrcam.cohort.scan import Scan
from hrcam.training.class_metrics import class_metrics
from hrcam.training.config import TrainingConfig
from hrcam.training.default_classes import check_classes, positive_class, reference_class
from hrcam.training.objectives import Objective, WeightedCrossEntropy
from hrcam.training.plan import Balance
from hrcam.training.tasks.task import Targets


@dataclass(frozen=True)
class Classification:
    """One class of several for each scan, by a softmax.

    Attributes
    ----------
    outputs
        Names of the classes, sorted.
    positive
        The positive class of two, which sensitivity is of; None of more.
    reference
        The class that the maps compare the others with; None if there is none.
    """

    outputs: tuple[str, ...]
    positive: str | None
    reference: str | None

    compete = True

    @classmethod
    def of(cls, classes: tuple[str, ...], config: TrainingConfig) -> Self:
        """Return the task of a cohort with these classes.

        Raises
        ------
        InputError
            If there are fewer than two classes, or a class of the configuration is none of them.
        """
        check_classes(classes)
        positive = positive_class(classes, config.positive)
        return cls(classes, positive, reference_class(classes, config.reference))

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        return self.outputs

    def describe(self) -> dict[str, Any]:
        """Return the names of the classes."""
        return {"classes": list(self.outputs)}

    def targets(self, scans: Sequence[Scan]) -> Targets:
        """Return the index of the class of each scan."""
        return np.array([self.outputs.index(str(scan.label)) for scan in scans], dtype=np.int64)

    def stratified(
        self, scans: Sequence[Scan], voxel_hashes: Mapping[str, str], folds: int
    ) -> tuple[Scan, ...]:
        """Return the scans as they are: each fold has its share of every class."""
        del voxel_hashes, folds
        return tuple(scans)

    def standardised(self, targets: Targets, train: NDArray[np.int64]) -> Targets:
        """Return the indices of the classes as they are."""
        del train
        return targets

    def objective(self, targets: torch.Tensor, balance: Balance) -> Objective:
        """Return the cross-entropy that balances the classes."""
        return WeightedCrossEntropy.of(targets, balance)

    def in_units(self, network: nn.Module, targets: Targets | None = None) -> nn.Module:
        """Return the network as it is."""
        del targets
        return network

    def activated(self, outputs: torch.Tensor) -> torch.Tensor:
        """Return the probability of each class."""
        return outputs.softmax(1)

    def prediction(self, predicted: NDArray[np.float64]) -> ScanPrediction:
        """Return the most probable class, with the probability of each."""
        probabilities = predicted.tolist()
        likely = likeliest(probabilities, self.outputs)
        return ClassPrediction(likely, dict(zip(self.outputs, probabilities, strict=True)))

    def encode_predictions(
        self, scans: Sequence[Scan], network: NDArray[np.float64], head: NDArray[np.float64]
    ) -> bytes:
        """Encode the probabilities of each class, by the network and by the head."""
        rows = [
            Prediction(
                scan=scan.name,
                participant=scan.participant,
                group=scan.group,
                label=str(scan.label),
                predicted=likeliest(of_network, self.outputs),
                fold=None,
                network=tuple(of_network),
                head=tuple(of_head),
            )
            for scan, of_network, of_head in zip(
                scans, network.tolist(), head.tolist(), strict=True
            )
        ]
        return encode_predictions(rows, self.outputs)

    def metrics(
        self, folder: Path, *, repeats: Sequence[int], source: str, seed: int
    ) -> dict[str, Any]:
        """Write the pooled predictions, and return AUC, accuracy and the like."""
        classes = self.outputs
        if self.positive is not None:  # the last one is what metrics are of
            others = (name for name in classes if name != self.positive)
            classes = (*others, self.positive)
        return class_metrics(
            folder, classes, repeats=repeats, source=source, positive=self.positive, seed=seed
        )
