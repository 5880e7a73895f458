"""Baseline: the interface of every method; LevelMethod: those with a map of each level."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import nn

from hrcam.baselines.level_fusion import Fusion, check_fusion, fuse_levels
from hrcam.errors import InputError, LevelError, NotFittedError
from hrcam.levels import Level, Levels, find_levels
from hrcam.levels.operators import contract, upsample
from hrcam.model.call import Images, logits_of
from hrcam.model.inputs import check_classes, check_images

Classes = int | Sequence[int] | torch.Tensor | None
"""One class for all images, or one per image; None for each image's predicted class."""

ALL_LEVELS = "all levels"
"""Name of the only map of a method that fuses the levels itself."""

_DIVERGED = "the model diverged, or half precision overflowed (bfloat16 has more range)"


class Baseline(ABC):
    """A CAM method: one map per image from each level's features, or from all of them.

    Nothing is fitted. Every call leaves the model exactly as it was, also when it raises.

    Parameters
    ----------
    model
        Any module from images to logits.
    levels
        ``"auto"`` for the last feature map of each resolution, or names of modules.
    output
        Key or index of the logits, where the model returns several things.
    image
        Key or index of the image to map, where the model takes several; None for the first.
    """

    name: ClassVar[str]
    """Name of the method in the literature."""

    fuses_levels: bool = False
    """Whether the method itself makes one map of all its levels, under the name `ALL_LEVELS`."""

    def __init__(
        self,
        model: nn.Module,
        levels: Literal["auto"] | Sequence[str] = "auto",
        output: str | int | None = None,
        image: str | int | None = None,
    ) -> None:
        self.model = model
        self._names = None if levels == "auto" else levels
        self._output = output
        self._image = image
        self._levels: Levels | None = None

    @property
    def levels(self) -> Levels:
        """The levels that are read, from the coarsest to the finest.

        Raises
        ------
        NotFittedError
            Before the first batch, on which the levels are found.
        """
        if self._levels is None:
            raise NotFittedError(
                "the levels are not known before the first batch: call explain or by_level first"
            )
        return self._levels

    def by_level(self, images: Images, classes: Classes = None) -> dict[str, torch.Tensor]:
        """Return each level's map at the size of the image.

        Parameters
        ----------
        images
            A batch that the model takes: a tensor (B, C, *spatial), or a tuple or mapping with
            one.
        classes
            One class for all images, or one per image; None for each image's predicted class. A
            model with a single logit has the one class 0.

        Returns
        -------
        The map of each level by its name, from the coarsest level to the finest, each of shape
        (B, *spatial) in at least single precision. The unit depends on the method. A method that
        fuses the levels itself has one map, under the name `ALL_LEVELS`.

        As HR-CAM's pattern, a map is drawn where the level's positions lie in the image
        (`Level.feature_grid`). What a method states of the sum or mean of its map holds over the
        level's own positions.

        Raises
        ------
        InputError
            If the images or the classes cannot be used.
        LevelError
            If the model has no such levels, if the method is not defined at a level, or if the
            logits or a map hold NaN or infinite values.
        """
        check_images(images, self.model)
        self._find(images)
        with torch.no_grad():
            return self._maps(images, classes)

    def explain(
        self, images: Images, classes: Classes = None, fuse: Fusion | None = None
    ) -> torch.Tensor:
        """Return one map per image: the method's only map, or those of several levels fused.

        Parameters
        ----------
        images, classes
            As in ``by_level``.
        fuse
            How to fuse the levels' min-max normalised maps; None for the only map of a single
            level, or of a method that fuses the levels itself, not normalised.

        Returns
        -------
        Tensor of shape (B, *spatial), in at least single precision.

        Raises
        ------
        InputError
            As in ``by_level``; also if there are maps of several levels and ``fuse`` is None.
        LevelError
            As in ``by_level``.
        """
        if fuse is not None:
            check_fusion(fuse)
        self._find(images)
        if fuse is None and len(self.levels) > 1 and not self.fuses_levels:
            raise InputError(
                f"there are {len(self.levels)} levels "
                f"({', '.join(level.name for level in self.levels)}): pass fuse='mean', 'max' or "
                f"'product', or name one level, e.g. levels=[{self.levels[0].name!r}], or call "
                "by_level for a map of each"
            )
        maps = list(self.by_level(images, classes).values())
        return maps[0] if fuse is None else fuse_levels(maps, fuse)

    def _find(self, images: Images) -> None:
        if self._levels is None:
            self._levels = self._find_levels(images)

    def _find_levels(self, images: Images) -> Levels:
        """Return the levels at which the method is defined."""
        return find_levels(self.model, images, self._names, self._output, self._image)

    @abstractmethod
    def _maps(self, images: Images, classes: Classes) -> dict[str, torch.Tensor]:
        """Return what ``by_level`` does; called without gradients, on images that were checked."""


class LevelMethod(Baseline):
    """A method that makes a map of each level at the level's own resolution."""

    def _maps(self, images: Images, classes: Classes) -> dict[str, torch.Tensor]:
        maps = self._level_maps(images, classes)
        return self.on_grid(maps, self.levels, self.levels.grid_of(images))

    @abstractmethod
    def _level_maps(self, images: Images, classes: Classes) -> list[torch.Tensor]:
        """Return a map of shape (B, *S_l) for each level; called without gradients."""

    @classmethod
    def on_grid(
        cls, maps: Sequence[torch.Tensor], levels: Sequence[Level], grid: tuple[int, ...]
    ) -> dict[str, torch.Tensor]:
        """Return the result of ``by_level``, given the maps at the levels' own resolutions.

        Parameters
        ----------
        maps
            The map of each level, shape (B, *S_l).
        levels
            Where they were read.
        grid
            Spatial size of the images.

        Raises
        ------
        LevelError
            If a map holds NaN or infinite values.
        """
        return maps_on_grid(maps, levels, grid)


def finite_logits(output: Any, key: str | int | None) -> torch.Tensor:
    """Return the logits in the model's output, (B, K).

    Raises
    ------
    InputError
        If there are no logits.
    LevelError
        If they hold NaN or infinite values.
    """
    logits = logits_of(output, key)
    if not bool(torch.isfinite(logits).all()):
        raise LevelError(f"the model's logits hold NaN or infinite values: {_DIVERGED}")
    return logits


def explained_classes(logits: torch.Tensor, classes: Classes) -> torch.Tensor:
    """Return the class that each map explains, shape (B,), on the logits' device.

    Raises
    ------
    InputError
        If a class does not exist, or if there are neither one nor B of them.
    """
    if classes is None:
        return logits.detach().argmax(1)
    return check_classes(classes, *logits.shape).to(logits.device)


def class_logits(logits: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Return the logit of each image's class: (B, K) and (B,) give (B,)."""
    return logits.gather(1, classes[:, None])[:, 0]


def weighted_sum(activations: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return Σ_k w_k A_k for each image.

    Parameters
    ----------
    activations
        A, shape (B, C_l, *S_l), any floating-point type.
    weights
        w, shape (B, C_l).

    Returns
    -------
    Tensor of shape (B, *S_l), in at least single precision.
    """
    # The caller's autocast is meant for the model; the sum needs single precision.
    with torch.autocast(activations.device.type, enabled=False):
        return contract(activations, weights[:, None], weights.new_zeros(1))[:, 0]


def maps_on_grid(
    maps: Sequence[torch.Tensor], levels: Sequence[Level], grid: tuple[int, ...]
) -> dict[str, torch.Tensor]:
    """Upsample each level's maps, (B, *S_l), to the grid of the image, by the level's name.

    They are drawn where the level's positions lie in the image, as HR-CAM's pattern is.

    Raises
    ------
    LevelError
        If a map holds NaN or infinite values.
    """
    upsampled: dict[str, torch.Tensor] = {}
    for level, level_maps in zip(levels, maps, strict=True):
        check_finite(level, level_maps)
        upsampled[level.name] = upsample_level(level_maps[:, None], level, grid)[:, 0]
    return upsampled


def upsample_level(maps: torch.Tensor, level: Level, grid: tuple[int, ...]) -> torch.Tensor:
    """Upsample maps of a level, (B, C, *S_l), to where its positions lie in the image."""
    return upsample(maps, grid, level.feature_grid_on(maps.shape[2:], grid))


def check_finite(level: Level, maps: torch.Tensor) -> None:
    """Check that the maps or activations of a level are finite.

    Raises
    ------
    LevelError
        If they hold NaN or infinite values.
    """
    if not bool(torch.isfinite(maps).all()):
        raise LevelError(
            f"the map of the level {level.name!r} holds NaN or infinite values: {_DIVERGED}"
        )
