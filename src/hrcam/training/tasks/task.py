"""What the networks of a run learn: the one place where tasks differ in training."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from hrcam.artifacts.scan_prediction import ScanPrediction
from hrcam.cohort.scan import Scan
from hrcam.training.objectives import Objective
from hrcam.training.plan import Balance

Targets = NDArray[np.int64] | NDArray[np.float32]
"""What is learnt of each scan: indices of classes or values, (N,), or answers, (N, K)."""


class Task(Protocol):
    """What a network learns of scans."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """What each output of the network, and so each map, is of."""

    @property
    def reference(self) -> str | None:
        """The output that the maps compare the others with; None if there is none."""

    @property
    def compete(self) -> bool:
        """Whether one output is larger only in comparison with the others, as in a softmax."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes that exclude each other; none of other tasks."""

    def describe(self) -> dict[str, Any]:
        """Return what the files of a run say of the task."""

    def targets(self, scans: Sequence[Scan]) -> Targets:
        """Return what is to be learnt of scans, by their labels."""

    def stratified(
        self, scans: Sequence[Scan], voxel_hashes: Mapping[str, str], folds: int
    ) -> tuple[Scan, ...]:
        """Return the scans, labelled with the stratum of which each fold has its share.

        Raises
        ------
        InputError
            If there are too few participants for the folds.
        """

    def standardised(self, targets: Targets, train: NDArray[np.int64]) -> Targets:
        """Return the targets of all scans as a network learns them from the training scans."""

    def objective(self, targets: torch.Tensor, balance: Balance) -> Objective:
        """Return the loss for training images with these standardised targets.

        Parameters
        ----------
        targets
            Shape (N,) or (N, K).
        balance
            How classes with few images come to count as much as others.
        """

    def in_units(self, network: nn.Module, targets: Targets | None = None) -> nn.Module:
        """Return a network with outputs as `activated` expects them.

        Parameters
        ----------
        network
            As it is trained.
        targets
            Of its training scans, before they were standardised; None if weights are to be read.
        """

    def activated(self, outputs: torch.Tensor) -> torch.Tensor:
        """Return what is predicted, (B, K), by the outputs of a network or a head, (B, K)."""

    def prediction(self, predicted: NDArray[np.float64]) -> ScanPrediction:
        """Return the prediction for one scan, of what is predicted of each output, shape (K,)."""

    def encode_predictions(
        self, scans: Sequence[Scan], network: NDArray[np.float64], head: NDArray[np.float64]
    ) -> bytes:
        """Encode ``predictions.tsv`` of one fold; what is predicted has the shape (N, K)."""

    def metrics(
        self, folder: Path, *, repeats: Sequence[int], source: str, seed: int
    ) -> dict[str, Any]:
        """Write the pooled ``predictions.tsv`` of a run, and return its metrics.

        Parameters
        ----------
        folder
            Of the run.
        repeats
            Which division into folds each fold belongs to.
        source
            Which scans were predicted.
        seed
            Of the resampling.
        """
