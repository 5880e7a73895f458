"""What a training run is asked to do; everything here changes the result, and is written down."""

from pathlib import Path
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field

HeadKind = Literal["labels", "logits", "joint"]
"""How HR-CAM's head is learnt.

``"labels"``: the paper's way: the CNN is trained and frozen, then the head learns the labels.
``"logits"``: the CNN is trained and frozen, then the head learns to stand in for its logits.
``"joint"``: CNN and head are one network, trained together with a loss per level.
"""


class TrainingConfig(BaseModel):
    """Choices of a run.

    Attributes
    ----------
    network
        A name of `hrcam.training.network.NETWORKS`.
    weights
        Local file with weights to start from, of the same network.
    head
        How HR-CAM's head is learnt.
    folds
        Of the cross-validation; not used where the table has its own split.
    validation
        Share of the training subjects that decide when to stop; 0 trains to the end.
    epochs
        Most passes over the training images; None for about `STEPS` steps.
    patience
        Epochs without a lower loss on the validation images before training stops; None for half
        of the epochs: while the learning rate is high, losses go up and down.
    batch_size, learning_rate
        Of AdamW with one cycle of the learning rate, of which this is the largest.
    shape, spacing
        Of the network's grid, in voxels and mm; None to choose from the cohort.
    positive
        Of two classes the one that sensitivity is of; None for the one whose name is not that of
        controls, or else the last in the alphabet.
    reference
        Class that maps compare the others with, where there are more than two; None for the one
        that is named as controls, or else to choose from the images.
    suffix
        Of the images of a BIDS data set, as "T1w"; what maps are made of unless told otherwise.
    space, desc
        Of BIDS derivatives, likewise.
    group_by
        Regular expression that names the participant in the name of an image, likewise.
    bootstrap
        Refits of the head, for the standard deviation of maps.
    seed
        Of everything random.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    network: str = "small"
    weights: Path | None = None
    head: HeadKind = "logits"
    folds: int = Field(default=5, ge=2)
    validation: float = Field(default=0.15, ge=0, lt=0.5)
    epochs: int | None = Field(default=None, ge=1)
    patience: int | None = Field(default=None, ge=1)
    batch_size: int = Field(default=16, ge=2)
    learning_rate: float = Field(default=2e-3, gt=0)
    shape: tuple[int, ...] | None = None
    spacing: tuple[float, ...] | None = None
    positive: str | None = None
    reference: str | None = None
    suffix: str | None = None
    space: str | None = None
    desc: str | None = None
    group_by: str | None = None
    bootstrap: int = Field(default=0, ge=0)
    seed: int = Field(default=0, ge=0)


class Hardware(BaseModel):
    """Where a run computes; may differ from one start of a run to the next.

    Attributes
    ----------
    accelerator, devices
        As Lightning takes them: "auto", "cpu", "gpu", "mps"...; a number of devices.
    precision
        As Lightning takes it; "auto" for 16-bit mixed on a GPU and 32-bit elsewhere.
    workers
        Processes that decode and prepare images; None for one per core.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    accelerator: str = "auto"
    devices: int = Field(default=1, ge=1)
    precision: str = "auto"
    workers: int | None = Field(default=None, ge=1)

    @property
    def device(self) -> torch.device:
        """Where HR-CAM is fitted and maps: on a CUDA GPU if there is one that may be used."""
        gpu = self.accelerator != "cpu" and torch.cuda.is_available()
        return torch.device("cuda" if gpu else "cpu")
