"""The plan of a training: what is decided from the cohort, unless it is given."""

import difflib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hrcam.artifacts.plan_file import read_plan_file
from hrcam.errors import InputError
from hrcam.preparation.augmentation import Changes

Balance = Literal["loss", "sampling"]
"""How classes with few images come to count as much as others.

``"loss"``: their images have a larger weight in the loss.
``"sampling"``: their images are drawn more often.
"""

BALANCE: Balance = "loss"

Shape = tuple[Annotated[int, Field(ge=1)], ...]
Spacing = tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], ...]
BatchSize = Annotated[int, Field(ge=2)]
Count = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Validation = Annotated[float, Field(ge=0, lt=0.5)]
Rotation = Annotated[float, Field(ge=0, le=180)]
Fraction = Annotated[float, Field(ge=0, lt=1)]


class PlanOptions(BaseModel):
    """What a plan decides; None where it is left to the plan.

    Attributes
    ----------
    shape, spacing
        Shape and spacing of the grid, in voxels and mm.
    network
        A name as in `hrcam.training.network.build_network`.
    batch_size
        Images of a step of the optimiser.
    epochs
        Largest number of epochs.
    patience
        Epochs without a lower validation loss before training stops.
    learning_rate
        Peak learning rate of AdamW with a one-cycle schedule.
    balance
        How classes with few images come to count as much as others.
    validation
        Fraction of the training subjects for early stopping; 0 for none.
    mirror, rotation, zoom, shift
        How far training moves images; see `hrcam.preparation.augmentation.Changes`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    shape: Shape | None = None
    spacing: Spacing | None = None
    network: str | None = None
    batch_size: BatchSize | None = None
    epochs: Count | None = None
    patience: Count | None = None
    learning_rate: Rate | None = None
    balance: Balance | None = None
    validation: Validation | None = None
    mirror: bool | None = None
    rotation: Rotation | None = None
    zoom: Fraction | None = None
    shift: Fraction | None = None


class Plan(PlanOptions):
    """A plan with all its decisions; attributes as in `PlanOptions`.

    Attributes
    ----------
    spacing
        None for pictures and arrays, which are scaled to the grid.
    reasons
        Why each value was chosen, by its name; empty for a plan that was read from a file.
    """

    shape: Shape
    network: str
    batch_size: BatchSize
    epochs: Count
    patience: Count
    learning_rate: Rate
    balance: Balance
    validation: Validation
    mirror: bool
    rotation: Rotation
    zoom: Fraction
    shift: Fraction
    reasons: Mapping[str, str] = Field(default={}, exclude=True, repr=False)

    @property
    def changes(self) -> Changes:
        """How far training moves images."""
        return Changes(self.mirror, self.rotation, self.zoom, self.shift)


def read_plan(path: str | Path) -> PlanOptions:
    """Read a plan file; what it leaves out is None.

    Raises
    ------
    InputError
        If it is missing or damaged, holds a name that plans do not have, or a value of the wrong
        type or size; the error names the line.
    """
    found = read_plan_file(Path(path))
    try:
        # As JSON, in which types are strict but lists may become tuples.
        return PlanOptions.model_validate_json(json.dumps(found.values, default=str), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        where = f"{path}, line {found.lines[name]}"
        if first["type"] == "extra_forbidden":
            known = list(PlanOptions.model_fields)
            close = difflib.get_close_matches(name, known, 1) or known
            raise InputError(
                f"{where}: a plan has no {name!r}: use {', '.join(close)}, or leave the line out"
            ) from error
        raise InputError(
            f"{where}: {name} is {found.values[name]!r}: {_lower(first['msg'])}; correct the line, "
            "or leave it out to have it planned"
        ) from error


def read_kept_plan(path: Path) -> Plan:
    """Read the plan of a run, which is complete; raises as `read_plan`."""
    options = read_plan(path)
    needed = [name for name, field in Plan.model_fields.items() if field.is_required()]
    missing = [name for name in needed if getattr(options, name) is None]
    if missing:
        raise InputError(f"{path} has no {', '.join(missing)}: train again, into a new folder")
    return Plan(**options.model_dump())


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
