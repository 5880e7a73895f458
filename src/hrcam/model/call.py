"""Call a model on a batch, and find the logits in its output."""

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from hrcam.errors import HRCAMError, InputError
from hrcam.model.kinds import uncompiled
from hrcam.model.tensors import tensors_in
from hrcam.model.wrappers import unwrapped

Images = torch.Tensor | tuple[Any, ...] | list[Any] | Mapping[str, Any]


def call_model(model: nn.Module, images: Images) -> Any:
    """Run the model on one batch.

    A tensor is passed as it is. A tuple or list is unpacked into the arguments of ``forward``
    where they fit, a mapping into the arguments named by its keys; otherwise it is passed as a
    single argument. A compiled or parallel model runs without its wrapper. Errors of the model get
    a note on what it was called with.
    """
    network = unwrapped(model)
    try:
        with uncompiled(network):
            return _call(network, images)
    except HRCAMError:
        raise
    except Exception as error:
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in tensors_in(images))
        error.add_note(
            f"hrcam: the model raised this when it was called with a {type(images).__name__} of "
            f"shapes {shapes}. Images are (B, C, *spatial), as in the model's training; of a "
            "loader's batch (images, labels) pass the images alone."
        )
        raise


def _call(model: nn.Module, images: Images) -> Any:
    if isinstance(images, torch.Tensor):
        return model(images)
    if not unpacks(model, images):
        return model(images)
    return model(**images) if isinstance(images, Mapping) else model(*images)


def unpacks(model: nn.Module, images: tuple[Any, ...] | list[Any] | Mapping[str, Any]) -> bool:
    """Whether ``call_model`` unpacks a structure into the arguments of ``forward``."""
    args, kwargs = ((), images) if isinstance(images, Mapping) else (images, {})
    try:
        inspect.signature(unwrapped(model).forward).bind(*args, **kwargs)
    except TypeError:
        return False
    return True


def required_arguments(model: nn.Module) -> list[str]:
    """Return the names of the positional arguments of ``forward`` without a default."""
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [
        name
        for name, parameter in inspect.signature(unwrapped(model).forward).parameters.items()
        if parameter.kind in positional and parameter.default is inspect.Parameter.empty
    ]


def logits_of(output: Any, key: str | int | None = None) -> torch.Tensor:
    """Find the logits in the output of a model.

    Parameters
    ----------
    output
        A tensor, or a tuple, list or mapping that holds one.
    key
        Key or index of the logits. None takes the tensor itself, the first item of a tuple or
        list, or the item ``"logits"`` or only tensor of a mapping.

    Returns
    -------
    Tensor of shape (B, K); a single output per image, shape (B,), becomes (B, 1).

    Raises
    ------
    InputError
        If there is no such item, or if its shape is not (B,) or (B, K).
    """
    logits = _item(output, key)
    if not isinstance(logits, torch.Tensor):
        raise InputError(
            f"the model's output is a {type(logits).__name__}, not a tensor of logits: "
            "pass output=, the key or the index of the logits in what the model returns"
        )
    if logits.ndim == 1:
        logits = logits[:, None]
    if logits.ndim > 2 and all(size == 1 for size in logits.shape[2:]):
        logits = logits.flatten(1)
    if logits.ndim != 2:
        raise InputError(
            f"the model returns a tensor of shape {tuple(logits.shape)}, not logits of shape "
            "(B, K): HR-CAM explains one decision per image; pass output= if the logits are "
            "another item of the model's output"
        )
    return logits


def _item(output: Any, key: str | int | None) -> Any:
    if key is not None:
        try:
            return output[key]
        except (KeyError, IndexError, TypeError) as error:
            raise InputError(
                f"the model's output, a {_outline(output)}, has no item {key!r}: "
                "pass output=, the key or the index of the logits"
            ) from error
    if isinstance(output, Mapping):
        if "logits" in output:
            return output["logits"]
        tensors = list(tensors_in(output))
        if len(tensors) == 1:
            return tensors[0]
        raise InputError(
            f"the model's output, a {_outline(output)}, has no item 'logits': "
            "pass output=, the key of the logits"
        )
    if isinstance(output, tuple | list) and output:
        return output[0]
    return output


def _outline(output: Any) -> str:
    name = type(output).__name__
    if isinstance(output, Mapping):
        return f"{name} with the keys {sorted(map(str, output))}"
    if isinstance(output, tuple | list):
        return f"{name} of {len(output)}"
    return name
