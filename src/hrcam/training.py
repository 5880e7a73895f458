"""Train a classifier on images in memory, deterministically by seed."""

import logging
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

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        """Return an image, transformed, and its label."""
        image = torch.from_numpy(self._images[index])
        if self._transform is not None:
            image = torch.as_tensor(self._transform(image))
        return image, int(self._labels[index])


class Classifier(lightning.LightningModule):
    """A network with cross-entropy, AdamW and one cycle of the learning rate."""

    def __init__(self, network: nn.Module, learning_rate: float) -> None:
        super().__init__()
        self.network = network
        self.learning_rate = learning_rate

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], _index: int) -> torch.Tensor:
        """Return the loss of a batch."""
        images, labels = batch
        loss = functional.cross_entropy(self.network(images), labels)
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
    data: Dataset[tuple[torch.Tensor, int]],
    *,
    epochs: int,
    batch_size: int = 32,
    learning_rate: float = 3e-3,
    seed: int = 0,
    progress: bool = False,
) -> None:
    """Train a network in place, on whatever device Lightning finds.

    Parameters
    ----------
    network
        From images to logits; it ends in evaluation mode, on the CPU.
    data
        Yields single images (C, *spatial), of one shape, with class indices.
    epochs, batch_size, learning_rate
        Of AdamW with one cycle of the learning rate, of which this is the largest.
    seed
        Of the order of the images and of every random choice in network and transforms.
    progress
        Show a bar.
    """
    lightning.seed_everything(seed, verbose=False)
    loader = DataLoader(
        data, batch_size, shuffle=True, generator=torch.Generator().manual_seed(seed)
    )
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
                enable_progress_bar=progress,
                deterministic="warn",
            )
            trainer.fit(Classifier(network, learning_rate), loader)
    finally:
        quiet.setLevel(level)
    network.cpu().eval()
