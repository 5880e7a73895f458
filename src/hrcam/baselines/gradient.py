"""Gradient methods: activations and gradients of all levels from one forward and backward pass.

Methods that differentiate the same score share the pass.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from hrcam.baselines.interface import (
    Classes,
    LevelMethod,
    class_logits,
    explained_classes,
    finite_logits,
)
from hrcam.errors import GradientError, LevelError
from hrcam.levels import Level, Levels
from hrcam.levels.gradients import level_gradients
from hrcam.model.call import Images
from hrcam.model.inputs import check_images

Score = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""What is differentiated: from logits (B, K) and classes (B,) to a score of each image, (B,)."""


class GradientMethod(LevelMethod):
    """A method that combines a level's activations with the gradient of a score there."""

    @staticmethod
    def score(logits: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
        """Return the score whose gradient the method reads: the logit of each image's class.

        Parameters
        ----------
        logits
            Shape (B, K).
        classes
            Shape (B,), on the same device.

        Returns
        -------
        Tensor of shape (B,).
        """
        return class_logits(logits, classes)

    @staticmethod
    @abstractmethod
    def weigh(activations: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
        """Return the method's map at one level.

        Parameters
        ----------
        activations
            A, shape (B, C_l, *S_l), in at least single precision.
        gradients
            G = ∂ score / ∂A, the same shape and precision.

        Returns
        -------
        Tensor of shape (B, *S_l).
        """

    def _level_maps(self, images: Images, classes: Classes) -> list[torch.Tensor]:
        captured = activations_and_gradients(
            self.model, images, self.levels, classes, self._output, self.score
        )
        return [self.weigh(*level) for level in captured]


def gradient_maps(
    methods: Iterable[type[GradientMethod]],
    model: nn.Module,
    images: Images,
    levels: Levels,
    classes: Classes = None,
    output: str | int | None = None,
) -> dict[str, dict[str, torch.Tensor]]:
    """Return the maps of several methods, from one forward and backward pass for each score.

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
    grid = levels.grid_of(images)
    by_score: dict[Score, list[type[GradientMethod]]] = {}
    for method in (methods := list(methods)):
        by_score.setdefault(method.score, []).append(method)
    maps: dict[str, dict[str, torch.Tensor]] = {}
    for score, alike in by_score.items():
        captured = activations_and_gradients(model, images, levels, classes, output, score)
        for method in alike:
            own = [method.weigh(*level) for level in captured]
            maps[method.name] = method.on_grid(own, levels, grid)
    return {method.name: maps[method.name] for method in methods}


def activations_and_gradients(
    model: nn.Module,
    images: Images,
    levels: Sequence[Level],
    classes: Classes,
    output: str | int | None,
    score: Score,
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Return each level's activations, and the gradient there of a score.

    Parameters
    ----------
    model, images, levels, classes, output
        As in ``gradient_maps``.
    score
        Of each image, given the logits and the classes.

    Returns
    -------
    For each level A and G = ∂ score / ∂A, both (B, C_l, *S_l), in at least single precision.

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

    def total(returned: Any, _maps: list[torch.Tensor]) -> torch.Tensor:
        return total_score(returned, output, classes, score)

    with naming_alternatives():
        found = level_gradients(model, images, levels, total)
    captured = []
    for level, (activations, gradient) in zip(levels, found, strict=True):
        if gradient is None:
            raise independent_of(level)
        captured.append((activations, gradient))
    return captured


def total_score(
    returned: Any, output: str | int | None, classes: Classes, score: Score
) -> torch.Tensor:
    """Return the sum of the images' scores, given what the model returned.

    In evaluation mode images do not interact: the gradient of the sum is that of each score.

    Raises
    ------
    InputError
        If there are no logits, or if the classes cannot be used.
    LevelError
        If the logits are not finite.
    """
    logits = finite_logits(returned, output)
    # A copy, since the caller's tensor may have been made in inference mode.
    return score(logits, explained_classes(logits, classes).clone()).sum()


@contextmanager
def naming_alternatives() -> Iterator[None]:
    """Name a method without gradients in the error of a model that has none."""
    try:
        yield
    except GradientError as error:
        raise GradientError(
            f"{error}; or use a method without gradients, e.g. Eigen-CAM"
        ) from error


def independent_of(level: Level) -> LevelError:
    """Return the error of a level that has no gradient."""
    return LevelError(
        f"the logits do not depend on the level {level.name!r}: name levels between the "
        "images and the logits, or pass output= if the logits are another item of the "
        "model's output"
    )
