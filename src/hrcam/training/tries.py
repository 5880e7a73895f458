"""Train a fold by several plans, and keep the network with the lowest validation loss."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hrcam.artifacts.atomic import write_atomically
from hrcam.artifacts.run_folder import CHECKPOINTS, NETWORK
from hrcam.artifacts.run_tables import HISTORY, read_history
from hrcam.artifacts.try_table import TRIES, TryRow, encode_tries, read_chosen
from hrcam.cohort.splits import Fold
from hrcam.errors import InputError
from hrcam.training.callbacks import EpochCount
from hrcam.training.config import TrainingConfig
from hrcam.training.plan import Plan

OTHER_NETWORKS = {"small": "resnet18"}
"""Networks that are tried in place of planned ones; in pictures, as volumes need much memory."""
RATE = 0.25
EPOCHS = 2


@dataclass(frozen=True)
class Try:
    """A plan to try.

    Attributes
    ----------
    name
        What differs from the plan of the run.
    plan
        The plan.
    """

    name: str
    plan: Plan


def tries_of(plan: Plan, config: TrainingConfig) -> tuple[Try, ...]:
    """Return the plans to try, of which the first is that of the run.

    The others differ in one value each, which is not given: another network, a quarter of the
    learning rate, twice the epochs. All have the same grid.

    Raises
    ------
    InputError
        If there are not as many.
    """
    found = [Try("as planned", plan)]
    if config.tries == 1:
        return tuple(found)
    if config.budget is not None:
        raise InputError("a budget is for one plan: leave out --budget or --try")
    given = set()
    for options in filter(None, (config, config.plan)):
        given |= {name for name in Plan.model_fields if getattr(options, name, None) is not None}
    other = OTHER_NETWORKS.get(plan.network)
    if other and "network" not in given and config.weights is None and len(plan.shape) == 2:
        found.append(Try(f"network {other}", plan.model_copy(update={"network": other})))
    if "learning_rate" not in given:
        rate = RATE * plan.learning_rate
        found.append(Try("lower learning rate", plan.model_copy(update={"learning_rate": rate})))
    if "epochs" not in given:
        longer = {"epochs": EPOCHS * plan.epochs, "patience": EPOCHS * plan.patience}
        found.append(Try("more epochs", plan.model_copy(update=longer)))
    if config.tries > len(found):
        raise InputError(
            f"there are {len(found)} plans to try ({', '.join(one.name for one in found)}), not "
            f"{config.tries}: values that are given are not varied"
        )
    return tuple(found[: config.tries])


def check_comparable(folds: Sequence[Fold], config: TrainingConfig) -> None:
    """Refuse to try plans where there are no images to compare them on.

    Raises
    ------
    InputError
        If a fold has no validation images.
    """
    if config.tries > 1 and not all(fold.validation for fold in folds):
        raise InputError(
            "tries are compared on validation images, and a fold has none: use --validation above 0"
        )


def train_best(
    folder: Path,
    tries: Sequence[Try],
    train: Callable[[Path, Plan], None],
    progress: EpochCount | None = None,
) -> Plan:
    """Train by each plan, unless that is done, and keep the best network in the folder of a fold.

    Parameters
    ----------
    folder
        Of the fold. It gets ``network.safetensors`` and ``history.tsv`` of the try with the lowest
        validation loss, and ``tries.tsv``.
    tries
        The plans; the folder of one alone is that of the fold.
    train
        Trains by a plan, and writes the network and the history to a folder.
    progress
        Skips the epochs of what is trained already.

    Returns
    -------
    Plan
        That of the network.
    """
    is_trained = (folder / NETWORK).is_file()
    places = [folder / CHECKPOINTS / f"try-{number}" for number in range(1, len(tries) + 1)]
    if len(tries) == 1:
        places = [folder]
    for place, one in zip(places, tries, strict=True):
        if not is_trained and not (place / NETWORK).is_file():
            train(place, one.plan)
        elif progress is not None:
            progress.skip(one.plan.epochs)
    if len(tries) == 1:
        return tries[0].plan
    if not is_trained:
        losses = [_lowest_loss(place) for place in places]
        best = losses.index(min(losses))
        rows = [
            TryRow(
                one.name,
                one.plan.network,
                one.plan.learning_rate,
                one.plan.epochs,
                loss,
                number == best,
            )
            for number, (one, loss) in enumerate(zip(tries, losses, strict=True))
        ]
        write_atomically(folder / TRIES, encode_tries(rows))
        for name in (HISTORY, NETWORK):  # the network last: it says that all are trained
            write_atomically(folder / name, (places[best] / name).read_bytes())
    chosen = read_chosen(folder / TRIES)
    return next(one.plan for one in tries if one.name == chosen)


def _lowest_loss(folder: Path) -> float:
    losses = (row.validation_loss for row in read_history(folder / HISTORY))
    return min(loss for loss in losses if loss is not None)
