"""The course of a training, one row per epoch."""

from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback

from hrcam.files import write_atomically
from hrcam.text_files import encode_tsv

_COLUMNS = ("epoch", "loss", "validation_loss")


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
        row = {name: found[name] for name in _COLUMNS[1:] if name in found}
        self._rows.append({"epoch": trainer.current_epoch + 1, **row})
        if trainer.is_global_zero:
            write_atomically(self._path, self._table())

    def state_dict(self) -> dict[str, Any]:
        """Return the rows, for the checkpoint."""
        return {"rows": self._rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the rows of a checkpoint."""
        self._rows = list(state_dict["rows"])

    def _table(self) -> bytes:
        return encode_tsv(_COLUMNS, [[row.get(name) for name in _COLUMNS] for row in self._rows])
