"""A finished training run: its network, explainer and splits, read from its folder."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import ValidationError

from hrcam.artifacts.weights import read_weights
from hrcam.cohort.scan import Scan
from hrcam.errors import LoadError
from hrcam.explainer import HRCAM
from hrcam.preparation import Preparation
from hrcam.training.config import TrainingConfig
from hrcam.training.fold import EXPLAINER, NETWORK, network_of

CONFIG, PREPARATION, SPLITS, PREDICTIONS, METRICS, REFUSED, FINGERPRINT, MANIFEST = (
    "config.json",
    "preparation.json",
    "splits.tsv",
    "predictions.tsv",
    "metrics.json",
    "refused.tsv",
    "fingerprint.json",
    "manifest.json",
)


def fold_folder(run: Path, fold: int) -> Path:
    """Return where a fold, counted from 1, is written."""
    return run / f"fold-{fold}"


@dataclass(frozen=True)
class Run:
    """A training run that is complete.

    Attributes
    ----------
    folder
        Where it was written.
    config
        What was asked for.
    preparation
        From an image to the network's grid.
    classes
        Names of the classes, in the order of the logits.
    folds
        Number of folds, which are counted from 1; 1 where the table had its own split.
    manifest
        Versions, seed, hash of the inputs, duration.
    """

    folder: Path
    config: TrainingConfig
    preparation: Preparation
    classes: tuple[str, ...]
    folds: int
    manifest: dict[str, Any]
    _splits: pd.DataFrame

    @classmethod
    def open(cls, folder: str | Path) -> "Run":
        """Read a run's folder.

        Raises
        ------
        LoadError
            If it is not one, or the training is not complete.
        """
        folder = Path(folder)
        if not (folder / MANIFEST).is_file():
            state = "its training is not complete" if (folder / CONFIG).is_file() else "is no run"
            raise LoadError(
                f"{folder}: {state}; run the command `hrcam train COHORT --out {folder}` (again)"
            )
        try:
            manifest = json.loads((folder / MANIFEST).read_text())
            splits = pd.read_csv(
                folder / SPLITS, sep="\t", na_values=["n/a"], keep_default_na=False, dtype=str
            )
            return cls(
                folder,
                TrainingConfig.model_validate_json((folder / CONFIG).read_text()),
                Preparation.model_validate_json((folder / PREPARATION).read_text()),
                tuple(manifest["classes"]),
                int(manifest["folds"]),
                manifest,
                splits,
            )
        except (OSError, ValueError, KeyError, ValidationError) as error:
            raise LoadError(
                f"{folder} is damaged ({type(error).__name__}: {error}); train again, into a new "
                "folder"
            ) from error

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the images of each scan."""
        return self.preparation.channels

    def explainer(self, fold: int) -> HRCAM:
        """Return the explainer of a fold with its network, on the CPU, in evaluation mode.

        Raises
        ------
        LoadError
            If a file is missing or damaged.
        """
        place = fold_folder(self.folder, fold)
        network = network_of(
            # Weights to start from are not needed again, and may be gone.
            self.config.model_copy(update={"weights": None}),
            self.preparation.shape,
            self.preparation.in_channels,
            len(self.classes),
        )
        read_weights(network, place / NETWORK)
        return HRCAM.load(place / EXPLAINER, network)

    def folds_for(self, scan: Scan, voxel_hash: str) -> tuple[tuple[int, ...], bool]:
        """Say by which folds a scan is to be mapped, and whether they learnt from it.

        Parameters
        ----------
        scan
            Known by its images or by its participant.
        voxel_hash
            Of its images, as in `hrcam.cohort.facts.ScanFacts`.

        Returns
        -------
        The fold that did not see the participant; all folds for somebody new. And True if there
        is no fold that did not learn from this participant, or decide by it when to stop.
        """
        same = self._splits["voxel_hash"] == voxel_hash
        if not same.any():
            same = self._splits["participant"] == scan.participant
        known = self._splits[same]
        if known.empty:
            return tuple(range(1, self.folds + 1)), False
        tested = known["fold"].dropna()
        if len(tested) < len(known):
            return tuple(range(1, self.folds + 1)), True
        return tuple(sorted({int(fold) for fold in tested})), False
