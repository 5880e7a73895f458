"""What all gradient methods share: one forward pass, and one call for all gradients."""

import itertools
from abc import abstractmethod
from collections.abc import Iterable, Sequence

import torch
from torch import nn

from hrcam.baselines.channels import at_least_single
from hrcam.baselines.interface import (
    Baseline,
    Classes,
    explained_classes,
    finite_logits,
    maps_on_grid,
)
from hrcam.capture import capture_for_gradients
from hrcam.errors import InputError, LevelError
from hrcam.inputs import check_images, grid_of
from hrcam.levels import Level
from hrcam.model_call import Images


class GradientMethod(Baseline):
    """A method made of the activations of a level and the gradient of the logit there."""

    @staticmethod
    @abstractmethod
    def weigh(activations: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
        """Return the method's map at one level.

        Parameters
        ----------
        activations
            A, shape (B, C_l, *S_l), in at least single precision.
        gradients
            G = ∂ logit_c / ∂A, the same shape and precision.

        Returns
        -------
        Tensor of shape (B, *S_l).
        """

    def _level_maps(self, images: Images, classes: Classes) -> list[torch.Tensor]:
        captured = activations_and_gradients(self.model, images, self.levels, classes, self._output)
        return [self.weigh(*level) for level in captured]


def gradient_maps(
    methods: Iterable[type[GradientMethod]],
    model: nn.Module,
    images: Images,
    levels: Sequence[Level],
    classes: Classes = None,
    output: str | int | None = None,
) -> dict[str, dict[str, torch.Tensor]]:
    """Return the maps of several methods from one forward pass and one call for gradients.

    Parameters
    ----------
    methods
        Gradient methods, as classes.
    model
        Any module from images to logits; left exactly as it was.
    images, classes
        As in ``Baseline.by_level``.
    levels
        From ``hrcam.levels.find_levels``.
    output
        Key or index of the logits, where the model returns several things.

    Returns
    -------
    What ``by_level`` of each method returns, by the method's name.

    Raises
    ------
    InputError, LevelError
        As in ``Baseline.by_level``.
    """
    check_images(images, model)
    captured = activations_and_gradients(model, images, levels, classes, output)
    grid = grid_of(images)
    return {
        method.name: maps_on_grid([method.weigh(*level) for level in captured], levels, grid)
        for method in methods
    }


def activations_and_gradients(
    model: nn.Module,
    images: Images,
    levels: Sequence[Level],
    classes: Classes,
    output: str | int | None,
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Return each level's activations, and the gradient there of each image's own logit.

    Parameters
    ----------
    model, images, levels, classes, output
        As in ``gradient_maps``.

    Returns
    -------
    For each level A and G = ∂ logit_c / ∂A, both (B, C_l, *S_l), in at least single precision.

    Raises
    ------
    InputError
        If the classes cannot be used, or if the model's weights were made in inference mode.
    LevelError
        If the logits do not depend on a level, carry no gradient at all, or are not finite.
    """
    if any(
        tensor.is_inference() for tensor in itertools.chain(model.parameters(), model.buffers())
    ):
        raise InputError(
            "the model's weights were made in inference mode, where no gradient can pass: build "
            "or load the model outside of torch.inference_mode(), or take a method without "
            "gradients, e.g. Eigen-CAM"
        )
    returned, maps = capture_for_gradients(model, images, levels)
    connected = [level for level in maps if level.requires_grad]
    with torch.inference_mode(False), torch.enable_grad():
        logits = finite_logits(returned, output)
        if not logits.requires_grad:
            raise LevelError(
                "the model's logits carry no gradient: it detaches them, or runs under no_grad; "
                "take a method without gradients, e.g. Eigen-CAM"
            )
        # A copy, since the caller's own may have been made in inference mode.
        chosen = explained_classes(logits, classes).clone()
        # Images do not mix in evaluation mode, so the sum's gradient is each logit's own.
        score = logits[torch.arange(len(logits), device=logits.device), chosen].sum()
        found = iter(torch.autograd.grad(score, connected, allow_unused=True) if connected else ())
    gradients = [next(found) if level.requires_grad else None for level in maps]
    captured = []
    for level, activations, gradient in zip(levels, maps, gradients, strict=True):
        if gradient is None:
            raise LevelError(
                f"the logits do not depend on the level {level.name!r}: name levels between the "
                "images and the logits, or pass output= if the logits are another item of what "
                "the model returns"
            )
        captured.append((at_least_single(activations.detach()), at_least_single(gradient)))
    return captured
