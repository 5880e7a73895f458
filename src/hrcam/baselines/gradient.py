"""Gradient methods: activations and gradients of all levels from one forward and backward pass."""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import nn

from hrcam.baselines.interface import (
    Baseline,
    Classes,
    explained_classes,
    finite_logits,
    maps_on_grid,
)
from hrcam.errors import GradientError, LevelError
from hrcam.levels import Level, Levels
from hrcam.levels.gradients import level_gradients
from hrcam.model.call import Images
from hrcam.model.inputs import check_images


class GradientMethod(Baseline):
    """A method that combines a level's activations with the gradient of the logit there."""

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
    levels: Levels,
    classes: Classes = None,
    output: str | int | None = None,
) -> dict[str, dict[str, torch.Tensor]]:
    """Return the maps of several methods from a single forward and backward pass.

    Parameters
    ----------
    methods
        Classes of gradient methods.
    model
        Any module from images to logits; left exactly as it was.
    images, classes
        As in ``Baseline.by_level``.
    levels
        From ``hrcam.find_levels``.
    output
        Key or index of the logits, where the model returns several things.

    Returns
    -------
    The result of ``by_level`` for each method, by the method's name.

    Raises
    ------
    GradientError, InputError, LevelError
        As in ``Baseline.by_level``.
    """
    check_images(images, model)
    captured = activations_and_gradients(model, images, levels, classes, output)
    grid = levels.grid_of(images)
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
    """Return each level's activations, and the gradient there of the logit of each image's class.

    Parameters
    ----------
    model, images, levels, classes, output
        As in ``gradient_maps``.

    Returns
    -------
    For each level A and G = ∂ logit_c / ∂A, both (B, C_l, *S_l), in at least single precision.

    Raises
    ------
    GradientError
        If the model has no gradient: its weights were made in inference mode, or it detaches its
        logits.
    InputError
        If the classes cannot be used.
    LevelError
        If the logits do not depend on a level, or are not finite.
    """

    def chosen_logits(returned: Any, _maps: list[torch.Tensor]) -> torch.Tensor:
        logits = finite_logits(returned, output)
        # A copy, since the caller's tensor may have been made in inference mode.
        chosen = explained_classes(logits, classes).clone()
        # In evaluation mode images do not interact: the gradient of the sum is that of each logit.
        return logits[torch.arange(len(logits), device=logits.device), chosen].sum()

    try:
        found = level_gradients(model, images, levels, chosen_logits)
    except GradientError as error:
        raise GradientError(
            f"{error}; or use a method without gradients, e.g. Eigen-CAM"
        ) from error
    captured = []
    for level, (activations, gradient) in zip(levels, found, strict=True):
        if gradient is None:
            raise LevelError(
                f"the logits do not depend on the level {level.name!r}: name levels between the "
                "images and the logits, or pass output= if the logits are another item of the "
                "model's output"
            )
        captured.append((activations, gradient))
    return captured
