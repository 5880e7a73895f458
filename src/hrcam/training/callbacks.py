"""What watches a training: the history of its losses, and the stop at a loss that is no number."""

from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback

from hrcam.artifacts.atomic import write_atomically
from hrcam.artifacts.run_tables import HISTORY_COLUMNS, encode_history
from hrcam.errors import TrainingError


class History(Callback):
    """Writes a table of losses after every epoch, and goes on with it when training resumes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: list[dict[str, float]] = []

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Add the epoch, whose validation has been run, and write the table."""
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
        """Take the rows of a checkpoint."""
        self._rows = list(state_dict["rows"])


class StopAtDivergence(Callback):
    """Ends a training after the epoch in which a loss was no number; `check_losses` says so."""

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Look at the epoch's losses, after its validation."""
        del pl_module
        # With several GPUs this is another process, which must not raise: what it raises would
        # arrive as an error of the launcher.
        if _lost(trainer) is not None:
            trainer.should_stop = True


def check_losses(trainer: lightning.Trainer) -> None:
    """See that the losses of the last epoch are numbers; raises TrainingError."""
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
