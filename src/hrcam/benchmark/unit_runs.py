"""The trainings of a unit: a CNN with two heads, and a CNN trained jointly with its head."""

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
        Default HR-CAM: the head is fitted to the CNN's logits.
    labels
        HR-CAM (2019): the head is fitted to the labels, on the same CNN.
    """

    logits: HRCAM
    labels: HRCAM

    @property
    def device(self) -> torch.device:
        """Device of the networks."""
        return next(self.logits.model.parameters()).device


@dataclass(frozen=True)
class UnitRuns:
    """The trainings of a unit on the same folds.

    Attributes
    ----------
    logits, labels
        Runs of one CNN, with a head on its logits and with one on the labels.
    joint
        A run of a CNN that was trained together with its head.
    """

    logits: Run
    labels: Run
    joint: Run

    def explainers(self, fold: int, device: torch.device) -> FoldExplainers:
        """Read the explainers of a fold, counted from 1; raises LoadError as `Run.explainer`."""
        found = FoldExplainers(self.logits.explainer(fold), self.labels.explainer(fold))
        for explainer in (found.logits, found.labels):
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
    """Train the networks of a unit, or resume.

    Parameters
    ----------
    cohort
        Cohort whose scans have labels.
    folder
        Output folder, with ``run/``, ``run-labels/`` with the same networks, and ``run-joint/``.
    config
        Options of all trainings, except the head.
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
    """Create a run with the networks of another, so that only its heads are fitted."""
    if folder.exists():
        return
    begun = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(begun, ignore_errors=True)
    begin_run(begun, config.model_dump(mode="json"), run.splits)
    for fold in range(1, run.folds + 1):
        network = (fold_folder(run.folder, fold) / NETWORK).read_bytes()
        write_atomically(fold_folder(begun, fold) / NETWORK, network)
    begun.rename(folder)
