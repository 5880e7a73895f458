"""A finished training run: its network, explainer and splits, read from its folder."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from hrcam.artifacts.network_weights import read_weights
from hrcam.artifacts.run_folder import EXPLAINER, NETWORK, fold_folder, read_run
from hrcam.artifacts.run_tables import Prediction, SplitRow
from hrcam.cohort.scan import Scan
from hrcam.errors import InputError, LoadError
from hrcam.explainer import HRCAM
from hrcam.preparation import Preparation
from hrcam.training.config import TrainingConfig
from hrcam.training.default_classes import reference_class
from hrcam.training.fold import network_of


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
    predictions
        One per scan that was tested; probabilities are in the order of ``classes``.
    splits
        Which fold is tested on each scan.
    """

    folder: Path
    config: TrainingConfig
    preparation: Preparation
    classes: tuple[str, ...]
    folds: int
    manifest: dict[str, Any]
    predictions: tuple[Prediction, ...]
    splits: tuple[SplitRow, ...]

    @classmethod
    def open(cls, folder: str | Path) -> "Run":
        """Read a run's folder.

        Raises
        ------
        LoadError
            If it is not one, the training is not complete, or a file is missing or damaged.
        """
        folder = Path(folder)
        try:
            found = read_run(folder)
            classes = tuple(map(str, found.manifest["classes"]))
            order = [found.classes.index(name) for name in classes]
            return cls(
                folder,
                TrainingConfig.model_validate_json(json.dumps(found.config)),
                Preparation.model_validate_json(json.dumps(found.preparation)),
                classes,
                int(found.manifest["folds"]),
                dict(found.manifest),
                tuple(each.reordered(order) for each in found.predictions),
                found.splits,
            )
        except InputError as error:
            raise LoadError(str(error)) from error
        except (ValueError, KeyError, TypeError, ValidationError) as error:
            raise LoadError(
                f"{folder} is damaged ({type(error).__name__}: {error}); train again, into a new "
                "folder"
            ) from error

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the images of each scan."""
        return self.preparation.channels

    @property
    def reference(self) -> str | None:
        """The class that the maps compare the others with; None for all other classes."""
        return reference_class(self.classes, self.config.reference)

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
        known = [row for row in self.splits if row.voxel_hash == voxel_hash]
        if not known:
            known = [row for row in self.splits if row.participant == scan.participant]
        if not known:
            return tuple(range(1, self.folds + 1)), False
        tested = {row.fold for row in known if row.fold is not None}
        if any(row.fold is None for row in known):
            return tuple(range(1, self.folds + 1)), True
        return tuple(sorted(tested)), False
