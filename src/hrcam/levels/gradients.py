"""The gradient of a score with respect to the levels' feature maps."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from hrcam.errors import GradientError, machine_error
from hrcam.levels.capture import capture_for_gradients
from hrcam.levels.level import Level
from hrcam.model.call import Images
from hrcam.model.tensors import at_least_single


def level_gradients(
    model: nn.Module,
    images: Images,
    levels: Sequence[Level],
    score: Callable[[Any, list[torch.Tensor]], torch.Tensor],
) -> list[tuple[torch.Tensor, torch.Tensor | None]]:
    """Return each level's feature map, and the gradient of a score with respect to it.

    Parameters
    ----------
    model
        Any module, in any state; left exactly as it was.
    images
        A batch that the model takes.
    levels
        Where to read.
    score
        Returns one number, given the model's output and the levels' maps.

    Returns
    -------
    For each level the map (B, C_l, *S_l) and its gradient, of the same shape, in at least single
    precision. The gradient is None if the score does not depend on the level.

    Raises
    ------
    GradientError
        If the model has no gradient.
    LevelError
        If a level is not reached, or has another number of channels.
    MachineError
        If memory or the device fails in the backward pass.
    """
    check_differentiable(model)
    output, maps = capture_for_gradients(model, images, levels)
    connected = [level for level in maps if level.requires_grad]
    with torch.inference_mode(False), torch.enable_grad():
        found = gradients_of(score(output, maps), connected)
    gradients = (None if one is None else at_least_single(one) for one in found)
    return [
        (at_least_single(level.detach()), next(gradients) if level.requires_grad else None)
        for level in maps
    ]


def check_differentiable(model: nn.Module) -> None:
    """Check that the weights of a model can be part of a graph.

    Raises
    ------
    GradientError
        If they were made in inference mode.
    """
    if any(
        tensor.is_inference() for tensor in itertools.chain(model.parameters(), model.buffers())
    ):
        raise GradientError(
            "the model's weights were made in inference mode, and have no gradient: build "
            "or load the model outside of torch.inference_mode()"
        )


def gradients_of(
    value: torch.Tensor, inputs: Sequence[torch.Tensor]
) -> tuple[torch.Tensor | None, ...]:
    """Return the gradient of a number with respect to each input; None if it does not depend on it.

    Raises
    ------
    GradientError
        If there is no gradient.
    MachineError
        If memory or the device fails.
    """
    if not value.requires_grad:
        raise GradientError(
            "the logits carry no gradient: the model detaches them, or runs under no_grad"
        )
    # Errors of the backward pass become a GradientError; those of the forward pass do not.
    try:
        return torch.autograd.grad(value, inputs, allow_unused=True) if inputs else ()
    except RuntimeError as error:
        failed = machine_error(error)
        if failed is not None:
            raise failed from error
        raise GradientError(
            f"no gradient could be computed through the model ({str(error).splitlines()[0]})"
        ) from error
