"""The network of a run: as its training begins, and built again for the weights that it learnt."""

import logging
import warnings

import torch
from torch import nn

from hrcam.errors import HRCAMError, HRCAMWarning, InputError, LevelError, machine_error
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
    """See that the network can be built, takes the grid and has levels, before anything is begun.

    Raises
    ------
    InputError
        If there is no such network, its weights do not fit, it does not take the grid, it returns
        no finite logits, it has no feature map, or options exclude each other.
    """
    _check_fine_tuning(name, config)
    channels, shape = preparation.in_channels, preparation.shape
    # As prepared images are: of mean 0 and standard deviation 1.
    image = torch.randn(1, channels, *shape, generator=torch.Generator().manual_seed(0))
    try:
        network, weights = initial_network(name, config, shape, channels, classes)
        with torch.no_grad():
            logits = network.eval()(image)
    except LevelError as error:
        raise _without_levels(name, shape, error) from error
    except HRCAMError:
        raise
    except Exception as error:
        if machine_error(error) is not None:
            raise
        raise _not_taken(name, channels, shape, error) from error
    if not torch.is_tensor(logits) or logits.shape != (1, classes):
        found = tuple(logits.shape) if torch.is_tensor(logits) else type(logits).__name__
        raise InputError(
            f"the network {name!r} returns {found} for one image of {classes} classes: "
            f"it must return logits of shape (1, {classes})"
        )
    if not logits.isfinite().all():
        raise InputError(
            f"the network {name!r} returns NaN or infinity before it is trained, for an image of "
            "noise with mean 0 and standard deviation 1: look for a division by zero, a logarithm "
            "or too large weights in it"
        )
    if config.head != "joint":  # whose levels were found as it was built
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", HRCAMWarning)  # the fit of the head warns
                find_levels(network, image)
        except LevelError as error:
            raise _without_levels(name, shape, error) from error
    if weights is not None:
        logger.info("initial weights: %s", weights)


def _without_levels(name: str, shape: tuple[int, ...], error: LevelError) -> InputError:
    return InputError(
        f"the network {name!r} cannot be mapped on a grid of {_grid(shape)} "
        f"({_first_line(error)}): choose another network, or a larger shape"
    )


def _not_taken(name: str, channels: int, shape: tuple[int, ...], error: Exception) -> InputError:
    own = name.partition(":")[0] not in (name, *LIBRARIES)
    reason = _first_line(error)
    if own and "channels" in reason:
        return InputError(
            f"the network {name!r} does not take images with in_channels={channels} ({reason}): "
            "its first layer must take the in_channels that its function is called with, and each "
            "other layer the channels of the one before"
        )
    return InputError(
        f"the network {name!r} does not take a grid of {_grid(shape)} ({reason}): choose another "
        "shape, or another network"
    )


def _grid(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))


def _first_line(error: Exception) -> str:
    """Return the first line of an error, with its type where that is not the usual one."""
    text = str(error).split("\n", 1)[0]
    return (
        text if isinstance(error, (RuntimeError, LevelError)) else f"{type(error).__name__}: {text}"
    )


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
