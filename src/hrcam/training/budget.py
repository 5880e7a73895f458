"""The largest plan that can be trained in a given time, by timing some steps of candidates."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import inf
from time import perf_counter

import numpy as np
import torch

from hrcam.artifacts.timing_table import Timing
from hrcam.cohort.check import CheckReport
from hrcam.cohort.splits import Fold
from hrcam.errors import InputError
from hrcam.preparation import Preparation, augmentation
from hrcam.progress import duration
from hrcam.training.classifier import train_classifier
from hrcam.training.config import Hardware, TrainingConfig
from hrcam.training.images import ImageDataset
from hrcam.training.plan import Plan
from hrcam.training.plan_rules import NETWORK, PlanSize, make_plan, preparation_of
from hrcam.training.run_network import check_network, initial_network

logger = logging.getLogger(__name__)

# Largest first. In volumes finer grids than usual ask for too much memory.
SIDES = {2: (256, 192, 128, 96, 64), 3: (128, 96, 64)}
NETWORKS = (NETWORK,)
SHARES = (1.0, 0.5, 0.25)  # of the epochs

_STEPS = 2  # that are timed, after as many to warm up
_VALIDATION = 1 / 3  # time of a forward pass, of that of a step

Clock = Callable[[Plan, Preparation], float]
"""Returns the seconds of a step of a plan."""


@dataclass(frozen=True)
class BudgetedPlan:
    """A plan that fits into the given time.

    Attributes
    ----------
    plan
        The largest one.
    timings
        All that was timed, the largest first.
    """

    plan: Plan
    timings: tuple[Timing, ...]


def plan_within(
    checked: CheckReport,
    config: TrainingConfig,
    folds: Sequence[Fold],
    outputs: int,
    hardware: Hardware,
    clock: Clock | None = None,
) -> BudgetedPlan:
    """Choose the largest plan whose trainings end within ``config.budget``.

    A plan with all the usual epochs is larger than one with fewer, whatever their grids; of two
    with as many, the one with the finer grid is larger; then the one with the larger network.
    Values that are given are kept. The time is that of all folds, one after the other, if none
    stops early; the preparation of images and the fit of heads are not part of it.

    Parameters
    ----------
    checked
        The cohort.
    config
        Options of the run, with a budget.
    folds
        What is trained on.
    outputs
        Number of the networks' outputs.
    hardware
        What trains; candidates are timed on it, with noise in place of images.
    clock
        Returns the seconds of a step; None to time it.

    Returns
    -------
    BudgetedPlan
        The same for the same times of steps.

    Raises
    ------
    InputError
        If no plan fits; the error names the smallest and its time. Or if several devices would
        train.
    """
    assert config.budget is not None
    if hardware.devices > 1:
        raise InputError("a budget is for one device: leave out --budget, or use --devices 1")
    clock = clock or (lambda plan, prepared: time_step(plan, prepared, config, outputs, hardware))
    steps: dict[tuple[str, tuple[int, ...]], float] = {}
    timings: list[Timing] = []
    for plan in _candidates(checked, config):
        key = plan.network, plan.shape
        if key not in steps:
            prepared = preparation_of(plan, checked)
            check_network(plan.network, config, prepared, outputs)
            try:
                steps[key] = clock(plan, prepared)
            except torch.OutOfMemoryError:
                logger.info("%s needs more memory than the device has", _name(*key))
                steps[key] = inf
        if steps[key] == inf:
            continue
        timing = Timing(*key, plan.epochs, steps[key], estimate(plan, folds, steps[key]))
        timings.append(timing)
        logger.info("%s", _described(timing, len(folds)))
        if timing.seconds <= config.budget:
            timings[-1] = replace(timing, chosen=True)
            reason = (
                f"the largest plan for {duration(config.budget)}: about "
                f"{duration(timing.seconds)} for {len(folds)} folds, by {steps[key]:.3g} s a step"
            )
            reasons = {**plan.reasons, "epochs": f"{plan.reasons['epochs']}; {reason}"}
            return BudgetedPlan(plan.model_copy(update={"reasons": reasons}), tuple(timings))
    if not timings:
        raise InputError(
            "no plan fits into the memory of the device: ask for a smaller --shape or --batch-size"
        )
    smallest = min(timings, key=lambda timing: timing.seconds)
    raise InputError(
        f"no plan fits into {duration(config.budget)}: of those that were timed the shortest is "
        f"{_described(smallest, len(folds))}; give more time, use fewer folds, or ask for a "
        "smaller --shape or fewer --epochs"
    )


def estimate(plan: Plan, folds: Sequence[Fold], seconds: float) -> float:
    """Return the seconds of all trainings by a plan whose steps take some seconds."""
    steps = sum(
        max(1, len(fold.train) // plan.batch_size)
        + _VALIDATION * len(fold.validation) / plan.batch_size
        for fold in folds
    )
    return steps * plan.epochs * seconds


def time_step(
    plan: Plan,
    preparation: Preparation,
    config: TrainingConfig,
    outputs: int,
    hardware: Hardware,
) -> float:
    """Train a network on noise for some steps, and return the seconds of one."""
    shape = preparation.in_channels, *preparation.shape
    count = _STEPS * plan.batch_size
    noise = np.random.default_rng(0).normal(size=(count, *shape)).astype(np.float32)
    network, _ = initial_network(plan.network, config, shape[1:], shape[0], outputs)
    ends = _Ends()
    train_classifier(
        network,
        ImageDataset(noise, np.arange(count) % outputs, augmentation(preparation, plan.changes)),
        epochs=2,
        batch_size=plan.batch_size,
        learning_rate=plan.learning_rate,
        hardware=hardware,
        progress=ends,
    )
    return (ends.times[1] - ends.times[0]) / _STEPS


class _Ends:
    """Notes when each epoch ends; shows nothing."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def update(self, count: int = 1, note: str = "") -> None:
        del count, note
        self.times.append(perf_counter())

    def skip(self, count: int = 1) -> None:
        del count


def _candidates(checked: CheckReport, config: TrainingConfig) -> Iterator[Plan]:
    """Yield plans that differ, the largest first."""
    dimensions = len(next(iter(checked.facts.values())).shape)
    seen = set()
    for share in SHARES:
        for side in SIDES[dimensions]:
            for network in NETWORKS:
                plan = make_plan(checked, config, PlanSize(side, network, share))
                key = plan.network, plan.shape, plan.epochs
                if key not in seen:
                    seen.add(key)
                    yield plan


def _name(network: str, shape: tuple[int, ...]) -> str:
    return f"{network} on {' × '.join(map(str, shape))}"


def _described(timing: Timing, folds: int) -> str:
    return (
        f"{_name(timing.network, timing.shape)}: {timing.seconds_a_step:.3g} s a step, about "
        f"{duration(timing.seconds)} for {folds} folds of {timing.epochs} epochs"
    )
