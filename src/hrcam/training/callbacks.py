"""Callbacks of a training: the history of losses, and stopping at a loss that is not finite."""

from pathlib import Path
from typing import Any, Protocol

import lightning
from lightning.pytorch.callbacks import Callback

from hrcam.artifacts.atomic import write_atomically
from hrcam.artifacts.run_tables import HISTORY_COLUMNS, encode_history
from hrcam.errors import TrainingError


class History(Callback):
    """Writes a table of losses after every epoch; continues it when training resumes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: list[dict[str, float]] = []

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Add the epoch, after its validation, and write the table."""
        del pl_module
        found = {name: float(value) for name, value in trainer.callback_metrics.items()}
        row = {name: found[name] for name in HISTORY_COLUMNS[1:] if name in found}
        self._rows.append({"epoch": trainer.current_epoch + 1, **row})
        if trainer.is_global_zero:
            write_atomically(self._path, encode_history(self._rows))

    def state_dict(self) -> dict[str, Any]:
        """Return the rows, for the checkpoint."""
        return {"rows": self._rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the rows from a checkpoint."""
        self._rows = list(state_dict["rows"])


class EpochCount(Protocol):
    """Counts the epochs of a training, as `hrcam.progress.Progress` does."""

    def update(self, count: int = 1, note: str = "") -> None:
        """Count epochs that ended now."""

    def skip(self, count: int = 1) -> None:
        """Leave out epochs that are not trained now."""


class ShownEpochs(Callback):
    """Counts epochs; those that an earlier call has finished, or an early stop saves, are skipped.

    Parameters
    ----------
    progress
        Counts the epochs of all trainings of a job.
    epochs
        Most epochs of this training.
    """

    def __init__(self, progress: EpochCount, epochs: int) -> None:
        self._progress, self._left = progress, epochs

    def on_train_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Skip what was finished before."""
        del pl_module
        self._progress.skip(trainer.current_epoch)
        self._left -= trainer.current_epoch

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Count the epoch, after its validation, and show its losses."""
        del pl_module
        losses = (
            f"{name.replace('_', ' ')} {float(trainer.callback_metrics[name]):.3g}"
            for name in HISTORY_COLUMNS[1:]
            if name in trainer.callback_metrics
        )
        self._progress.update(note=", ".join(losses))
        self._left -= 1

    def end(self) -> None:
        """Skip what is left."""
        self._progress.skip(self._left)


class StopAtDivergence(Callback):
    """Stops a training after an epoch with a loss that is not finite; see `check_losses`."""

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Check the epoch's losses, after its validation."""
        del pl_module
        # With several GPUs this runs in another process, whose exceptions would be reported as
        # errors of the launcher.
        if _lost(trainer) is not None:
            trainer.should_stop = True


def check_losses(trainer: lightning.Trainer) -> None:
    """Raise TrainingError if a loss of the last epoch is not finite."""
    lost = _lost(trainer)
    if lost is not None:
        raise TrainingError(
            f"{lost}: begin again in another folder, with single precision if it was mixed "
            "(precision 32-true), or with a smaller learning rate"
        )


def _lost(trainer: lightning.Trainer) -> str | None:
    for name, value in trainer.callback_metrics.items():
        if not value.isfinite():
            return f"the {name.replace('_', ' ')} became {float(value)}"
    return None
