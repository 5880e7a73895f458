"""The rules of a plan: from the fingerprint of a cohort to every choice, with its reason."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

from hrcam.artifacts.plan_file import shown_value
from hrcam.cohort.check import CheckReport
from hrcam.cohort.fingerprint import NONE, Fingerprint
from hrcam.cohort.scan import Cohort
from hrcam.errors import InputError
from hrcam.preparation import Preparation, choose_preparation
from hrcam.preparation.augmentation import usual_changes
from hrcam.preparation.choice import LARGEST_SIDE, PreparationChoice, explain_choice
from hrcam.training.config import TrainingConfig
from hrcam.training.plan import BALANCE, Plan, PlanOptions
from hrcam.training.tasks import task_of

NETWORK = "small"
BATCH_SIZE = 16
STEPS = 2400
"""Approximate number of steps of the optimiser in a training."""
FEWEST_EPOCHS, MOST_EPOCHS = 10, 100
PATIENCE = 0.5  # of the epochs
LEARNING_RATE = 2e-3
FINE_TUNING = 0.1  # of that rate
VALIDATION = 0.15  # where it decides something

OPTION, FILE = "given as an option", "given in the plan file"

_SIDES = {"left", "right", "lh", "rh"}
_LETTERS = {"l", "r"}


@dataclass(frozen=True)
class PlanSize:
    """How large a plan is, where nothing is given.

    Attributes
    ----------
    largest_side
        Largest size of a side of the grid, in voxels.
    network
        Name of the network.
    epochs
        Share of the usual epochs.
    """

    largest_side: int = LARGEST_SIDE
    network: str = NETWORK
    epochs: float = 1.0


class _Decisions:
    """Values with their reasons; what was given comes before what the rules say."""

    def __init__(self, config: TrainingConfig) -> None:
        self._given = [(OPTION, config), (FILE, config.plan or PlanOptions())]
        self.values: dict[str, Any] = {}
        self.reasons: dict[str, str] = {}

    def given(self, name: str) -> tuple[str, Any] | None:
        """Return who gave a value, and the value; None if nobody did."""
        for source, options in self._given:
            value = getattr(options, name)
            if value is not None:
                return source, value
        return None

    def decide(self, name: str, planned: Any, reason: str) -> Any:
        """Return the value of a name: as given, or else as planned."""
        given = self.given(name)
        value = planned
        if given is not None:
            source, value = given
            if value != planned:
                reason = f"{source}; planned: {shown_value(planned)}"
            elif source == OPTION:
                reason = source
        self.values[name], self.reasons[name] = value, reason
        return value


def make_plan(
    checked: CheckReport,
    config: TrainingConfig | None = None,
    size: PlanSize | None = None,
) -> Plan:
    """Plan a training from what the checks found of a cohort.

    Parameters
    ----------
    checked
        Its accepted scans have labels.
    config
        What is given, and not planned, by its options or by its plan, which options override.
    size
        How large the plan is; None for the usual size.

    Returns
    -------
    Plan
        The same for the same arguments.

    Raises
    ------
    InputError
        If the cohort has fewer than two classes, an option does not fit the task or the split of
        the table, or no grid can be chosen, as `hrcam.preparation.choice.explain_choice`.
    """
    config = config or TrainingConfig()
    task_of(config, checked.accepted.classes)
    size = size or PlanSize()
    decisions = _Decisions(config)
    preparation = _decide_grid(decisions, checked, size.largest_side)
    _decide_training(decisions, checked, config, size)
    _decide_changes(decisions, preparation, checked.fingerprint)
    return Plan(**decisions.values, reasons=decisions.reasons)


def preparation_of(plan: Plan, checked: CheckReport) -> Preparation:
    """Return how a cohort's images are prepared for the grid of a plan."""
    return choose_preparation(
        checked.facts.values(),
        checked.accepted.channels,
        shape=plan.shape,
        spacing=plan.spacing,
        colour=checked.accepted.scans[0].colour,
    )


def _decide_grid(decisions: _Decisions, checked: CheckReport, largest_side: int) -> Preparation:
    def choose(**given: Any) -> PreparationChoice:
        return explain_choice(
            checked.facts.values(),
            checked.accepted.channels,
            largest_side=largest_side,
            colour=checked.accepted.scans[0].colour,
            **given,
        )

    given = {name: one[1] for name in ("shape", "spacing") if (one := decisions.given(name))}
    chosen, planned = choose(**given), choose().preparation
    for name, reason in (("shape", chosen.shape_reason), ("spacing", chosen.spacing_reason)):
        source = planned if name in given else chosen.preparation
        decisions.decide(name, getattr(source, name), reason)
    return chosen.preparation


def _decide_training(
    decisions: _Decisions, checked: CheckReport, config: TrainingConfig, size: PlanSize
) -> None:
    decisions.decide(
        "network",
        size.network,
        "few weights: for a few hundred to a few thousand images",
    )
    batch_size = decisions.decide("batch_size", BATCH_SIZE, "many steps in few epochs")
    of_table = _has_validation(checked.accepted, config)
    validation = decisions.decide("validation", *_validation(decisions, config, of_table))
    _check_validation(validation, config, of_table)
    images = training_images(checked.accepted, config, validation)
    usual = epochs_for(images, batch_size)
    limit = {FEWEST_EPOCHS: "the fewest", MOST_EPOCHS: "the most"}.get(usual)
    steps = limit or f"about {STEPS} steps"
    if size.epochs < 1:
        steps = f"{100 * size.epochs:.0f} % of {steps}"
    epochs = decisions.decide(
        "epochs",
        ceil(size.epochs * usual),
        f"{steps}: a fold trains on about {images} images",
    )
    decisions.decide(
        "patience",
        ceil(PATIENCE * epochs),
        "half of the epochs, if there are validation images: their losses fluctuate while the "
        "learning rate is high",
    )
    decisions.decide("learning_rate", *_learning_rate(config))
    decisions.decide("balance", BALANCE, _balance_reason(checked.fingerprint))


def _has_validation(cohort: Cohort, config: TrainingConfig) -> bool:
    """Say whether the table says which scans are for validation, and is followed in it."""
    return config.leave_out is None and any(scan.split == "validation" for scan in cohort.scans)


def _validation(decisions: _Decisions, config: TrainingConfig, of_table: bool) -> tuple[float, str]:
    """Return the share of the subjects that are not learnt from, and why."""
    compares, stops = "compare the plans that are tried", "decide when to stop"
    if of_table:
        use = compares if config.tries > 1 else stops
        return 0.0, f"none beside the validation scans of the table, which {use}"
    if config.tries > 1:
        return VALIDATION, f"of the training subjects, to {compares}"
    if decisions.given("patience"):
        return VALIDATION, f"of the training subjects, to {stops}: patience is given"
    return 0.0, "none: all training subjects are learnt from, to the last epoch"


def _check_validation(validation: float, config: TrainingConfig, of_table: bool) -> None:
    """Refuse a share beside the validation scans of the table, and a patience without any."""
    if validation and of_table:
        raise InputError(
            f"validation is {validation:g}, but the table says which scans are for validation: use "
            "0, or make them 'train' in its column split"
        )
    if config.patience is not None and not (validation or of_table):
        raise InputError(
            f"patience is {config.patience}, but no validation images tell when to stop: use a "
            "--validation above 0, or leave out --patience"
        )


def _learning_rate(config: TrainingConfig) -> tuple[float, str]:
    # A frozen network keeps its weights; its head starts from random ones.
    if config.weights is not None and not config.freeze:
        return (
            FINE_TUNING * LEARNING_RATE,
            "peak of AdamW's, a tenth of the usual: the network has initial weights, which larger "
            "steps would undo",
        )
    return LEARNING_RATE, "peak of AdamW's, for this network and batch size"


def _balance_reason(fingerprint: Fingerprint) -> str:
    if fingerprint.labels:
        return "scans with a label and scans without it weigh alike in the loss"
    counts = [count for name, count in fingerprint.classes.items() if name != NONE]
    if not counts:
        return "a regression has no classes, and scans weigh alike"
    return (
        f"classes weigh alike in the loss: the rarest has {100 * min(counts) / sum(counts):.0f} % "
        "of the scans"
    )


def _decide_changes(
    decisions: _Decisions, preparation: Preparation, fingerprint: Fingerprint
) -> None:
    usual = usual_changes(preparation)
    sides = classes_of_sides([*fingerprint.classes, *fingerprint.labels])
    if not usual.mirror:
        reason = "the images have no axis from left to right"
    elif sides:
        reason = f"a mirrored image would be of another class: {', '.join(sides)}"
    else:
        reason = "exchanges left and right in half of the images: no class is named by its side"
    decisions.decide("mirror", usual.mirror and not sides, reason)
    scaled = preparation.spacing is not None
    why = "in mm, sizes tell" if scaled else "how a picture is framed and scaled tells nothing"
    decisions.decide("rotation", usual.rotation, f"degrees at most: {why}")
    decisions.decide("zoom", usual.zoom, f"at most, of the size: {why}")
    decisions.decide("shift", usual.shift, f"at most, of the size: {why}")


def training_images(cohort: Cohort, config: TrainingConfig, validation: float) -> int:
    """Return about how many images a fold is trained on."""
    scans, folds = cohort.scans, config.folds
    if config.leave_out is not None:
        folds = len({scan.columns.get(config.leave_out.casefold()) for scan in scans})
    elif scans[0].split is not None:
        share = 0 if _has_validation(cohort, config) else validation
        return round(sum(scan.split == "train" for scan in scans) * (1 - share))
    return round(len(scans) * (1 - 1 / folds) * (1 - validation))


def epochs_for(images: int, batch_size: int) -> int:
    """Return the number of epochs for about `STEPS` steps, within limits."""
    return min(MOST_EPOCHS, max(FEWEST_EPOCHS, ceil(STEPS / max(1, images // batch_size))))


def classes_of_sides(classes: Mapping[str, object] | Iterable[str]) -> list[str]:
    """Return the classes that are named by the left or the right side of the body."""
    words = {name: set(re.split(r"[^a-z]+", name.lower())) for name in classes}
    letters = set().union(*words.values()) >= _LETTERS
    return sorted(name for name, w in words.items() if w & _SIDES or (letters and w & _LETTERS))
