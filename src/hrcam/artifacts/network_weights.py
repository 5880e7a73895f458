"""The weights of a trained network, as safetensors."""

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from hrcam.artifacts.atomic import write_atomically
from hrcam.errors import LoadError


def read_weights(network: nn.Module, path: Path) -> None:
    """Give a network the tensors of a file, and put it in evaluation mode.

    Raises
    ------
    LoadError
        If the file is damaged or of another network.
    """
    try:
        network.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise LoadError(
            f"{path} does not hold this network's weights ({type(error).__name__}): train again, "
            "into a new folder"
        ) from error
    network.eval()


def write_weights(network: nn.Module, path: Path) -> None:
    """Write a network's tensors as safetensors, whole or not at all."""
    tensors = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    write_atomically(path, save(tensors))
