"""Train a classifier on images in memory, deterministically by seed."""

import logging
import sys
import warnings
from collections.abc import Callable

import lightning
import numpy as np
import numpy.typing as npt
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from hrcam.errors import InputError

Transform = Callable[[torch.Tensor], torch.Tensor]


class ImageDataset(Dataset[tuple[torch.Tensor, int]]):
    """Images (N, C, *spatial), or a sequence of differing shapes, with labels (N,)."""

    def __init__(
        self,
        images: npt.NDArray[np.float32] | list[npt.NDArray[np.float32]],
        labels: npt.NDArray[np.int64],
        transform: Transform | None = None,
    ) -> None:
        if len(images) != len(labels):
            raise InputError(
                f"there are {len(images)} images and {len(labels)} labels: give one label per image"
            )
        self._images, self._labels, self._transform = images, labels, transform

    @property
    def labels(self) -> torch.Tensor:
        """The class of each image, shape (N,)."""
        return torch.as_tensor(self._labels)

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        """Return an image, transformed, and its label."""
        image = torch.from_numpy(self._images[index])
        if self._transform is not None:
            # Subclasses, as MONAI's transforms return, would slow every layer of the network.
            image = torch.as_tensor(self._transform(image)).as_subclass(torch.Tensor)
        return image, int(self._labels[index])


class Classifier(lightning.LightningModule):
    """A network with weighted cross-entropy, AdamW and one cycle of the learning rate."""

    class_weights: torch.Tensor

    def __init__(
        self, network: nn.Module, learning_rate: float, class_weights: torch.Tensor
    ) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("class_weights", class_weights)
        self.learning_rate = learning_rate

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], _index: int) -> torch.Tensor:
        """Return the loss of a batch."""
        images, labels = batch
        loss = functional.cross_entropy(self.network(images), labels, self.class_weights)
        self.log("loss", loss, prog_bar=True)
        return loss

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Return the optimiser and its schedule."""
        optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=self.learning_rate, weight_decay=1e-2
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            self.learning_rate,
            total_steps=int(self.trainer.estimated_stepping_batches),
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


def train_classifier(
    network: nn.Module,
    data: ImageDataset,
    *,
    epochs: int,
    batch_size: int = 32,
    learning_rate: float = 1e-3,
    seed: int = 0,
    progress: bool = False,
) -> None:
    """Train a network in place, on whatever device Lightning finds.

    Parameters
    ----------
    network
        From images to logits; it ends in evaluation mode, on the CPU.
    data
        Single images (C, *spatial), of one shape, with class indices. Classes count alike in the
        loss, however many images each has.
    epochs, batch_size, learning_rate
        Of AdamW with one cycle of the learning rate, of which this is the largest.
    seed
        Of the order of the images and of every random choice in network and transforms.
    progress
        Show a bar on a terminal.
    """
    lightning.seed_everything(seed, verbose=False)
    loader = DataLoader(
        data, batch_size, shuffle=True, generator=torch.Generator().manual_seed(seed)
    )
    frequencies = torch.bincount(data.labels).float()
    weights = len(data) / (len(frequencies) * frequencies.clamp_min(1))
    # Convolutions in two dimensions are three times as fast in this layout on a CPU.
    if any(isinstance(module, nn.Conv2d) for module in network.modules()):
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    quiet = logging.getLogger("lightning.pytorch")
    level = quiet.level
    quiet.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            # Images in memory need no worker processes, and short cohorts have few batches.
            warnings.filterwarnings("ignore", module="lightning")
            trainer = lightning.Trainer(
                max_epochs=epochs,
                logger=False,
                enable_checkpointing=False,
                enable_model_summary=False,
                enable_progress_bar=progress and sys.stderr.isatty(),
                deterministic="warn",
            )
            trainer.fit(Classifier(network, learning_rate, weights), loader)
    finally:
        quiet.setLevel(level)
    network.cpu().eval()
