"""The first pass over the training data: the pooled features of every level."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from hrcam.errors import FitError
from hrcam.head.fit import Target
from hrcam.levels import Levels
from hrcam.levels.capture import capture
from hrcam.levels.operators import pool
from hrcam.maps.training_passes import training_batches
from hrcam.model.call import Images, logits_of


@dataclass(frozen=True)
class PooledData:
    """Pooled features and outcomes of N training images.

    Attributes
    ----------
    pooled
        g, shape (N, ΣC_l).
    outcome
        Labels, shape (N,), or the CNN's outputs, shape (N, K).
    """

    pooled: npt.NDArray[np.float64]
    outcome: npt.NDArray[np.float64]


@torch.no_grad()
def pool_images(
    model: nn.Module,
    loader: Iterable[Any],
    target: Target,
    output: str | int | None,
    find: Callable[[Images], Levels],
) -> tuple[Levels, PooledData]:
    """Pass once over the data and keep the pooled features of every level.

    Parameters
    ----------
    model, loader, target, output
        As for ``HRCAM`` and ``fit``.
    find
        Returns the levels, given the images of the first batch.

    Raises
    ------
    FitError
        If there is no batch, or if feature maps or outputs are not finite.
    InputError
        If a batch cannot be used.
    """
    levels = Levels()
    pooled: list[npt.NDArray[np.float32]] = []
    outcome: list[npt.NDArray[np.float64]] = []
    labelled = target == "labels"
    for images, labels in training_batches(model, loader, labelled, "pooling"):
        levels = levels or find(images)
        grid = levels.grid_of(images)
        result, parts = capture(model, images, levels, partial(_pool_level, grid))
        row = torch.cat([part.float() for part in parts], dim=1)
        if not bool(torch.isfinite(row).all()):
            wrong = [
                level.name
                for level, part in zip(levels, parts, strict=True)
                if not bool(torch.isfinite(part).all())
            ]
            raise FitError(
                f"the feature maps of the level {wrong[0]!r} hold NaN or infinite values: the "
                "model diverged, or half precision overflowed (bfloat16 has more range)"
            )
        pooled.append(row.cpu().numpy())
        outcome.append(
            (logits_of(result, output) if labels is None else labels).cpu().double().numpy()
        )
    data = PooledData(np.concatenate(pooled).astype(np.float64), np.concatenate(outcome))
    if not np.all(np.isfinite(data.outcome)):
        raise FitError("the model's outputs or the labels hold NaN or infinite values")
    return levels, data


def _pool_level(grid: tuple[int, ...], _level: int, feature_map: torch.Tensor) -> torch.Tensor:
    return pool(feature_map, grid)
