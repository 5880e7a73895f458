"""The network of a run: as its training begins, and built again for the weights that it learnt."""

import logging

import torch
from torch import nn

from hrcam.errors import InputError, LevelError
from hrcam.levels import find_levels
from hrcam.preparation import Preparation
from hrcam.training.config import TrainingConfig
from hrcam.training.fine_tuning import freeze_backbone
from hrcam.training.initial_weights import InitialWeights, start_from
from hrcam.training.joint import JointNetwork
from hrcam.training.library_networks import LIBRARIES
from hrcam.training.network import build_network

logger = logging.getLogger(__name__)


def network_of(
    name: str, config: TrainingConfig, shape: tuple[int, ...], channels: int, classes: int
) -> nn.Module:
    """Build the network of a run, with the seed's random weights.

    Parameters
    ----------
    name
        As for `hrcam.training.network.build_network`.
    config
        Options of the run; its initial weights are not needed, and may be gone.
    shape, channels, classes
        Shape of the grid; number of image channels; number of logits.

    Raises
    ------
    InputError
        If there is no such network, or its library or module is not installed.
    """
    return _with_head(
        _random(name, config, shape, channels, classes), config, shape, channels, classes
    )


def initial_network(
    name: str, config: TrainingConfig, shape: tuple[int, ...], channels: int, classes: int
) -> tuple[nn.Module, InitialWeights | None]:
    """Build the network as its training begins: with weights of a file, frozen if asked for.

    Parameters
    ----------
    name, config, shape, channels, classes
        As for `network_of`.

    Returns
    -------
    The network, and what it has from the file of weights; None if there is no file.

    Raises
    ------
    InputError
        As `network_of`, or if the weights cannot be read or are of another network.
    """
    network = _random(name, config, shape, channels, classes)
    weights = None
    if config.weights is not None:
        weights = start_from(network, config.weights, (channels, *shape), name)
    if config.freeze:
        freeze_backbone(network, (channels, *shape))
    return _with_head(network, config, shape, channels, classes), weights


def check_network(
    name: str, config: TrainingConfig, preparation: Preparation, classes: int
) -> None:
    """See that the network can be built and takes the grid, before anything is begun.

    Raises
    ------
    InputError
        If there is no such network, its weights do not fit, it does not take the grid, it returns
        no logits, or options exclude each other.
    """
    _check_fine_tuning(name, config)
    channels, shape = preparation.in_channels, preparation.shape
    try:
        network, weights = initial_network(name, config, shape, channels, classes)
        with torch.no_grad():
            logits = network.eval()(torch.zeros(1, channels, *shape))
    except (RuntimeError, LevelError, AssertionError) as error:
        reason = str(error).split("\n", 1)[0]
        raise InputError(
            f"the network {name!r} does not take a grid of "
            f"{' × '.join(map(str, shape))} ({reason}): choose another shape, or another network"
        ) from error
    if not torch.is_tensor(logits) or logits.shape != (1, classes):
        found = tuple(logits.shape) if torch.is_tensor(logits) else type(logits).__name__
        raise InputError(
            f"the network {name!r} returns {found} for one image of {classes} classes: "
            f"it must return logits of shape (1, {classes})"
        )
    if weights is not None:
        logger.info("initial weights: %s", weights)


def _check_fine_tuning(name: str, config: TrainingConfig) -> None:
    if config.freeze and config.layer_decay is not None:
        raise InputError(
            "--freeze trains the head alone, and --layer-decay is for the layers before it: leave "
            "one of them out"
        )
    if config.freeze and config.weights is None and name.partition(":")[0] in (name, *LIBRARIES):
        raise InputError(
            f"--freeze would keep the random weights of {name}: give a file of trained ones with "
            "--weights"
        )


def _random(
    name: str, config: TrainingConfig, shape: tuple[int, ...], channels: int, classes: int
) -> nn.Module:
    torch.manual_seed(config.seed)
    return build_network(name, shape, channels, classes)


def _with_head(
    network: nn.Module,
    config: TrainingConfig,
    shape: tuple[int, ...],
    channels: int,
    classes: int,
) -> nn.Module:
    """Join a network and its HR-CAM head, if they are trained together."""
    if config.head != "joint":
        return network
    return JointNetwork(network, find_levels(network, torch.zeros(2, channels, *shape)), classes)
