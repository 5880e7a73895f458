"""Trainings that come to nothing: a loss that is infinite, or not a number any more."""

import lightning
from lightning.pytorch.callbacks import Callback

from hrcam.errors import TrainingError


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
