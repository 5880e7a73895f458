"""Options of a training run: those that change the result, which are recorded, and the hardware."""

from pathlib import Path
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field

from hrcam.cohort.scan import TaskName
from hrcam.training.plan import PlanOptions

HeadKind = Literal["labels", "logits", "joint"]
"""Target of the HR-CAM head.

``"labels"``: the head is fitted to the labels, with a trained and frozen CNN, as published.
``"logits"``: the head is fitted to the logits of a trained and frozen CNN.
``"joint"``: CNN and head are one network, trained together with a loss per level.
"""


class TrainingConfig(PlanOptions):
    """Options of a run that change its result.

    Those of `hrcam.training.plan.PlanOptions` are planned where they are None.

    Attributes
    ----------
    task
        What is learnt: one class of several, a number, or several labels.
    plan
        Values of a plan file; the options above override them.
    budget
        Seconds for all trainings; the largest plan that fits is chosen, by timing. None for the
        usual plan.
    tries
        Number of plans that each fold is trained by; it keeps the network with the lowest
        validation loss.
    weights
        Local file with initial weights, as in `hrcam.training.initial_weights.start_from`.
    freeze
        Train the head of the network alone, as in `hrcam.training.fine_tuning.freeze_backbone`.
    layer_decay
        Factor of the learning rate from each block of the network to the one before, as in
        `hrcam.training.fine_tuning.layer_rates`; None for one learning rate.
    head
        Target of the HR-CAM head.
    folds
        Number of cross-validation folds; ignored if the table has its own split.
    repeats
        Number of times that the cohort is divided into folds, each time with another shuffle and
        other initial weights; a split of the table stays.
    leave_out
        Column of the table, each value of which is left out of one fold's training and tested, in
        place of folds at random; None for those.
    positive
        Positive class of two; None for the class without the name of a control group, or else
        the last in alphabetical order.
    reference
        Reference class, with which maps compare the others; None for the class with the name of
        a control group, or else to choose from the images.
    suffix
        Suffix of the images of a BIDS dataset, e.g. "T1w"; also the default for mapping.
    space, desc
        Entities of BIDS derivatives; also the defaults for mapping.
    group_by
        Regular expression that names the participant in the name of an image; also the default
        for mapping.
    label_column, image_column
        Columns of the table that are read as label and image; also the defaults for mapping.
    bootstrap
        Number of bootstrap refits of the head, for the standard deviation of maps: 0, or at least
        2.
    seed
        Random seed.
    """

    task: TaskName = "classification"
    plan: PlanOptions | None = None
    budget: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    tries: int = Field(default=1, ge=1)
    weights: Path | None = None
    freeze: bool = False
    layer_decay: float | None = Field(default=None, gt=0, le=1)
    head: HeadKind = "logits"
    folds: int = Field(default=5, ge=2)
    repeats: int = Field(default=1, ge=1)
    leave_out: str | None = None
    positive: str | None = None
    reference: str | None = None
    suffix: str | None = None
    space: str | None = None
    desc: str | None = None
    group_by: str | None = None
    label_column: str | None = None
    image_column: str | None = None
    bootstrap: int = Field(default=0, ge=0)
    seed: int = Field(default=0, ge=0)


class Hardware(BaseModel):
    """Devices and precision of a run; may differ when a run is resumed.

    Attributes
    ----------
    accelerator, devices
        Accelerator of Lightning ("auto", "cpu", "gpu", "mps", ...) and number of devices.
    precision
        Precision of Lightning; "auto" for 16-bit mixed on a GPU and 32-bit otherwise.
    workers
        Number of processes that read images; None for one per core.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    accelerator: str = "auto"
    devices: int = Field(default=1, ge=1)
    precision: str = "auto"
    workers: int | None = Field(default=None, ge=1)

    @property
    def device(self) -> torch.device:
        """Device for fitting and mapping: a CUDA GPU if available and allowed."""
        gpu = self.accelerator != "cpu" and torch.cuda.is_available()
        return torch.device("cuda" if gpu else "cpu")
