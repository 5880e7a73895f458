"""Train a network, reproducibly by seed, with exact resumption after an interruption."""

import logging
import multiprocessing
import os
import signal
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from math import ceil
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint, WeightAveraging
from lightning.pytorch.utilities.exceptions import SIGTERMException
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import nn
from torch.utils.data import DataLoader

from hrcam.artifacts.run_tables import HISTORY
from hrcam.errors import InputError
from hrcam.training.callbacks import (
    EpochCount,
    History,
    ShownEpochs,
    StopAtDivergence,
    check_losses,
)
from hrcam.training.config import Hardware
from hrcam.training.fine_tuning import parameter_groups
from hrcam.training.images import Draws, ImageDataset, InOrder
from hrcam.training.joint import JointNetwork
from hrcam.training.objectives import Objective, WeightedCrossEntropy

# For small cohorts, with noisy gradients: weight averaging.
_DECAY = 0.99
_WEIGHT_DECAY = 0.05

_LAYOUTS = {nn.Conv2d: torch.channels_last, nn.Conv3d: torch.channels_last_3d}

_Tensors = list[torch.Tensor] | tuple[torch.Tensor, ...]

_BEST, _LAST = "best.ckpt", "last.ckpt"


class Learner(lightning.LightningModule):
    """A network with its objective, AdamW and a one-cycle learning rate."""

    def __init__(
        self,
        network: nn.Module,
        learning_rate: float,
        objective: Objective,
        seed: int,
        rates: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__()
        self.network, self.objective = network, objective
        self._learning_rate, self._seed, self._rates = learning_rate, seed, rates

    def on_train_epoch_start(self) -> None:
        """Seed random layers of the network, as dropout, by the epoch."""
        lightning.seed_everything(self._seed + self.current_epoch, verbose=False)

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], _index: int) -> torch.Tensor:
        """Return the loss of a batch."""
        images, targets = batch
        criterion = partial(self.objective, targets=targets)
        if isinstance(self.network, JointNetwork):
            loss = self.network.loss(images, criterion)
        else:
            loss = criterion(self.network(images))
        self.log(
            "loss",
            loss,
            prog_bar=True,
            on_step=False,
            on_epoch=True,
            sync_dist=True,
            batch_size=len(images),
        )
        return loss

    def validation_step(self, batch: tuple[torch.Tensor, torch.Tensor], _index: int) -> None:
        """Log the validation loss of a batch."""
        images, targets = batch
        loss = self.objective.validation(self.network(images), targets)
        self.log("validation_loss", loss, prog_bar=True, sync_dist=True, batch_size=len(images))

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Return the optimiser and its learning-rate schedule."""
        groups = parameter_groups(self.network, self._learning_rate, self._rates)
        optimizer = torch.optim.AdamW(groups, weight_decay=_WEIGHT_DECAY)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            [group["lr"] for group in groups],
            total_steps=int(self.trainer.estimated_stepping_batches),
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


def train_classifier(
    network: nn.Module,
    data: ImageDataset,
    objective: Objective | None = None,
    *,
    epochs: int,
    batch_size: int = 32,
    learning_rate: float = 1e-3,
    rates: Mapping[str, float] | None = None,
    validation: ImageDataset | None = None,
    patience: int | None = None,
    checkpoints: Path | None = None,
    hardware: Hardware | None = None,
    seed: int = 0,
    progress: EpochCount | None = None,
) -> None:
    """Train a network in place.

    The weights are averaged over the last hundred or so steps, exponentially (Polyak averaging;
    Izmailov et al., UAI 2018), which steadies training on small cohorts.

    Parameters
    ----------
    network
        Network from images to outputs. Afterwards it is in evaluation mode, on the CPU.
    data
        Images of one shape with class indices, or what else the objective takes.
    objective
        The loss; None for a cross-entropy in which all classes have the same weight, independent
        of their numbers of images.
    epochs, batch_size, learning_rate
        Epochs, batch size and peak learning rate of AdamW with a one-cycle schedule. Several
        devices divide each batch.
    rates
        Share of the learning rate of each parameter, as from
        `hrcam.training.fine_tuning.layer_rates`; None for the whole.
    validation, patience
        Images for early stopping: training stops after ``patience`` epochs without a lower loss,
        and the network gets its best weights. Needs ``checkpoints``.
    checkpoints
        Folder for the state of the training. If it has one, the training resumes from it, with
        the same result as without interruption.
    hardware
        Devices and precision.
    seed
        Random seed of the order of images, the network and the transforms.
    progress
        Counts the epochs; several devices count them at the end. None to show nothing.

    Raises
    ------
    TrainingError
        If a loss of the training or validation images is infinite or NaN.
    """
    hardware = hardware or Hardware()
    # Lightning keeps the mode: in evaluation mode, batch normalisation would not learn. Single
    # modules that the caller froze stay frozen.
    if not network.training:
        network.train()
    objective = objective or WeightedCrossEntropy.of(data.targets)
    chances = objective.chances(data.targets)
    # On a CPU, convolutions are two to three times faster in this memory format.
    for kind, layout in _LAYOUTS.items():
        if any(isinstance(module, kind) for module in network.modules()):
            network.to(memory_format=layout)  # type: ignore[call-overload]
    # Lightning copies the network before it moves it, so the copy needs a device. With several GPUs
    # each process has its own device, and the copy stays on the CPU.
    averaged_on = hardware.device if hardware.devices == 1 else None
    callbacks: list[Callback] = [
        WeightAveraging(averaged_on, multi_avg_fn=_average),
        StopAtDivergence(),
    ]
    if checkpoints is not None:
        monitored = None if validation is None else "validation_loss"
        callbacks += [
            History(checkpoints.parent / HISTORY),
            ModelCheckpoint(
                checkpoints,
                Path(_BEST).stem,
                monitored,
                save_last=True,
                save_top_k=0 if validation is None else 1,  # the last one is the best
                # A training killed before its first "last" leaves a "best" that must be replaced.
                enable_version_counter=False,
            ),
        ]
    if validation is not None and patience is not None:
        callbacks.append(EarlyStopping("validation_loss", patience=patience))
    # With several devices the epochs are those of other processes.
    shown = ShownEpochs(progress, epochs) if progress and hardware.devices == 1 else None
    if shown is not None:
        callbacks.append(shown)
    loaders = _loaders(hardware)
    batch = ceil(batch_size / hardware.devices)
    loader = DataLoader(
        data,
        batch,
        sampler=Draws(len(data), seed, chances),
        # A last batch of one image has no variance, which batch normalisation needs.
        drop_last=len(data) > batch_size,
        num_workers=loaders,
        persistent_workers=loaders > 0,
    )
    validation_loader = (
        None
        if validation is None
        else DataLoader(validation, batch, sampler=InOrder(len(validation)))
    )
    with _quiet():
        trainer = _trainer(
            hardware,
            max_epochs=epochs,
            callbacks=callbacks,
            enable_checkpointing=checkpoints is not None,
            enable_progress_bar=False,
        )
        try:
            trainer.fit(
                Learner(network, learning_rate, objective, seed, rates),
                loader,
                validation_loader,
                ckpt_path=_resumed(checkpoints),
            )
        except SIGTERMException as stopped:
            # Lightning would exit with code 0, as if the training were done.
            raise SystemExit(128 + signal.SIGTERM) from stopped
        except SystemExit as stopped:
            if isinstance(stopped.__context__, KeyboardInterrupt):
                raise KeyboardInterrupt from stopped
            raise
    if shown is not None:
        shown.end()
    elif progress is not None:
        progress.update(epochs)
    check_losses(trainer)
    if checkpoints is not None and validation is not None:
        _load_best(network, checkpoints / _BEST)
    network.cpu().eval()


def check_hardware(hardware: Hardware) -> None:
    """Check that the devices exist and support the precision, before training starts.

    Raises
    ------
    InputError
        If not, with the message of Lightning.
    """
    with _quiet():
        _trainer(hardware, enable_progress_bar=False)


def _trainer(hardware: Hardware, **options: Any) -> lightning.Trainer:
    try:
        return lightning.Trainer(
            accelerator=hardware.accelerator,
            devices=hardware.devices,
            # Of a jointly trained network the last layer is not used.
            strategy="auto" if hardware.devices == 1 else "ddp_spawn_find_unused_parameters_true",
            use_distributed_sampler=False,  # ours know the processes
            precision=_precision(hardware),
            logger=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            deterministic="warn",
            **options,
        )
    except (MisconfigurationException, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"accelerator {hardware.accelerator!r} with {hardware.devices} devices and precision "
            f"{hardware.precision!r} cannot be used: {reason}"
        ) from error


def _average(averaged: _Tensors, current: _Tensors, steps: torch.Tensor | int) -> None:
    """Update exponential averages in place; faster at first, to forget the initial weights."""
    decay = min(_DECAY, (1 + int(steps)) / (10 + int(steps)))
    # One call for all tensors costs less than one for each.
    ahead = torch._foreach_mul(torch._foreach_sub(averaged, current), decay)
    torch._foreach_copy_(averaged, torch._foreach_add(current, ahead))


def _loaders(hardware: Hardware) -> int:
    """Return the number of processes that transform images while a GPU computes."""
    # A worker of a cluster may have no processes of its own.
    if hardware.device.type == "cpu" or multiprocessing.current_process().daemon:
        return 0
    return hardware.workers or min(8, os.cpu_count() or 1)


def _precision(hardware: Hardware) -> Any:
    if hardware.precision != "auto":
        return hardware.precision
    if hardware.device.type == "cpu":
        return "32-true"
    return "bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed"


def _resumed(checkpoints: Path | None) -> Path | None:
    if checkpoints is None or not (checkpoints / _LAST).is_file():
        return None
    return checkpoints / _LAST


def _load_best(network: nn.Module, path: Path) -> None:
    state = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    prefix = "network."
    network.load_state_dict(
        {name[len(prefix) :]: value for name, value in state.items() if name.startswith(prefix)}
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Lightning's messages about devices and data loaders."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")
            yield
    finally:
        logger.setLevel(level)
