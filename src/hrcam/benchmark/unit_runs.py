"""The networks of a unit: one CNN with two heads, and a second one trained with its head."""

import logging
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch

from hrcam.artifacts.atomic import write_atomically
from hrcam.artifacts.run_folder import NETWORK, begin_run, fold_folder
from hrcam.cohort import Cohort
from hrcam.explainer import HRCAM
from hrcam.training import Hardware, Run, TrainingConfig, train_cohort
from hrcam.training.config import HeadKind

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FoldExplainers:
    """The explainers of one fold, on one device.

    Attributes
    ----------
    logits
        HR-CAM as it comes: the head stands in for the CNN's logits.
    labels
        The paper's: on the same CNN, the head learns the labels.
    joint
        Of a CNN that was trained together with its head.
    """

    logits: HRCAM
    labels: HRCAM
    joint: HRCAM

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return next(self.logits.model.parameters()).device


@dataclass(frozen=True)
class UnitRuns:
    """The trainings of a unit, on the same folds of the same cohort; as in `FoldExplainers`."""

    logits: Run
    labels: Run
    joint: Run

    def explainers(self, fold: int, device: torch.device) -> FoldExplainers:
        """Read the explainers of a fold, counted from 1; raises LoadError as `Run.explainer`."""
        found = FoldExplainers(
            *(run.explainer(fold) for run in (self.logits, self.labels, self.joint))
        )
        for explainer in (found.logits, found.labels, found.joint):
            explainer.model.to(device)
        return found


def train_runs(
    cohort: Cohort,
    folder: Path,
    config: TrainingConfig,
    *,
    hardware: Hardware,
    skip_bad: bool = False,
    progress: bool = True,
) -> UnitRuns:
    """Train what a unit maps with, or finish what was begun.

    Parameters
    ----------
    cohort
        The scans, each with a label.
    folder
        Gets ``run/``, ``run-labels/`` with the same networks, and ``run-joint/``.
    config
        Of all trainings; the head is chosen here.
    hardware, skip_bad, progress
        As for `train_cohort`.

    Returns
    -------
    UnitRuns

    Raises
    ------
    RefusedScansError, InputError, TrainingError
        As `train_cohort`.
    """

    def trained(name: str, head: HeadKind) -> Run:
        asked = config.model_copy(update={"head": head})
        return train_cohort(
            cohort,
            folder / name,
            asked,
            hardware=hardware,
            skip_bad=skip_bad,
            progress=progress,
        ).run

    logger.info("training the CNN")
    logits = trained("run", "logits")
    logger.info("fitting the paper's head, on labels, to the same CNN")
    _share_networks(logits, folder / "run-labels", config.model_copy(update={"head": "labels"}))
    labels = trained("run-labels", "labels")
    logger.info("training a CNN together with its head")
    return UnitRuns(logits, labels, trained("run-joint", "joint"))


def _share_networks(run: Run, folder: Path, config: TrainingConfig) -> None:
    """Begin another run whose networks are trained already, so that only its heads are fitted."""
    if folder.exists():
        return
    begun = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(begun, ignore_errors=True)
    begin_run(begun, config.model_dump(mode="json"), run.splits)
    for fold in range(1, run.folds + 1):
        network = (fold_folder(run.folder, fold) / NETWORK).read_bytes()
        write_atomically(fold_folder(begun, fold) / NETWORK, network)
    begun.rename(folder)
