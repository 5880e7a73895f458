"""The tensors of a file of weights, whoever wrote it."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from hrcam.errors import InputError

# Where checkpoints keep the network beside the optimiser, the epoch and so on.
_WITHIN = ("state_dict", "model_state_dict", "model", "network", "net")


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Read the tensors of a network by name, on the CPU.

    Parameters
    ----------
    path
        A safetensors file; or a file of ``torch.save`` with tensors by name, or a checkpoint that
        has them as "state_dict", "model" or the like. Only tensors and plain values are loaded:
        nothing in the file can run.

    Raises
    ------
    InputError
        If there is no such file, or it holds something else.
    """
    if not path.is_file():
        raise InputError(f"there is no file of weights {path}: give a local file")
    try:
        content = load_file(path) if path.suffix == ".safetensors" else _load(path)
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{path} holds more than tensors, which could run code as it is loaded, or is no file "
            "of weights: if you trust it, load it in Python with torch.load(..., "
            "weights_only=False), and save its state_dict alone"
        ) from error
    except (SafetensorError, RuntimeError, ValueError, EOFError) as error:
        raise InputError(
            f"{path} cannot be read as weights ({type(error).__name__}): give a safetensors file, "
            "or one of torch.save with a network's state_dict; TorchScript is not read"
        ) from error
    tensors = _tensors(content)
    if not tensors:
        raise InputError(f"{path} holds no tensors by name: give a network's state_dict")
    return tensors


def _load(path: Path) -> Any:
    return torch.load(path, map_location="cpu", weights_only=True)


def _tensors(content: Any) -> dict[str, torch.Tensor]:
    if not isinstance(content, Mapping):
        return {}
    for key in _WITHIN:
        if isinstance(content.get(key), Mapping):
            return _tensors(content[key])
    return {str(name): value for name, value in content.items() if torch.is_tensor(value)}
