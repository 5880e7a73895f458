"""One forward pass with a fitted head: the logits, and the level maps of one class per image."""

from dataclasses import dataclass

import torch
from torch import nn

from hrcam.errors import LevelError
from hrcam.head.fit import Target
from hrcam.levels import Levels
from hrcam.levels.capture import capture
from hrcam.levels.operators import contract, pool
from hrcam.maps.weights import MapWeights
from hrcam.model.call import Images, logits_of


@dataclass(frozen=True)
class LevelReading:
    """Logits and level maps of B images.

    Attributes
    ----------
    pooled
        Pooled features of all levels, (B, ΣC_l).
    logits
        The head's, (B, K).
    model_logits
        The model's own, (B, K), if the head was fitted to them; else None.
    predicted
        The predicted class, (B,): the model's if the head was fitted to its logits, else the
        head's.
    maps
        Each level's maps of the mapped class, (B, J, *S_l), in the order of ``MapWeights``; empty
        unless wanted.
    readouts
        Each level's share of the L readouts of the sensitivity, (B, L, *S_l); empty unless
        wanted.
    """

    pooled: torch.Tensor
    logits: torch.Tensor
    model_logits: torch.Tensor | None
    predicted: torch.Tensor
    maps: list[torch.Tensor]
    readouts: list[torch.Tensor]


@torch.no_grad()
def read_levels(
    model: nn.Module,
    images: Images,
    levels: Levels,
    weights: MapWeights,
    classes: torch.Tensor | None,
    output: str | int | None,
    *,
    target: Target,
    mapped: bool = True,
) -> LevelReading:
    """Run the model once, and pool and contract each level inside its hook.

    Parameters
    ----------
    model, images
        The model, and a batch that it takes.
    levels
        Where the head was fitted.
    weights
        Of the head and of the contraction.
    classes
        The class to map for each image, (B,); None for the predicted one.
    output
        Key or index of the logits, where the model returns several things.
    target
        What the head was fitted to.
    mapped
        Whether maps are wanted besides the logits.

    Raises
    ------
    LevelError
        If the feature maps are not those that the head was fitted on, or are not finite.
    """
    device, grid = levels.image_of(images).device, levels.grid_of(images)
    weights.to(device)
    wanted = None if classes is None else classes.to(device)[:, None]

    def read(level: int, feature_map: torch.Tensor) -> tuple[torch.Tensor, ...]:
        pooled = pool(feature_map, grid)
        if not mapped:
            return (pooled,)
        maps = contract(feature_map, *weights.of(level, wanted, slice(None)))
        return pooled, maps, contract(feature_map, *weights.readouts(level))

    returned, reduced = capture(model, images, levels, read)
    pooled = torch.cat([parts[0] for parts in reduced], dim=1)
    logits = weights.logits(pooled)
    if not bool(torch.isfinite(logits).all()):
        raise LevelError(
            "the feature maps hold NaN or infinite values: the model diverged, or half "
            "precision overflowed (bfloat16 has more range)"
        )
    model_logits = logits_of(returned, output).float() if target == "logits" else None
    predicted = (logits if model_logits is None else model_logits).argmax(1)
    if not mapped:
        return LevelReading(pooled, logits, model_logits, predicted, [], [])
    maps, readouts = ([parts[index] for parts in reduced] for index in (1, 2))
    if classes is None:
        rows = torch.arange(len(predicted), device=device)
        maps = [
            level.reshape(len(predicted), -1, weights.channels, *level.shape[2:])[rows, predicted]
            for level in maps
        ]
    return LevelReading(pooled, logits, model_logits, predicted, maps, readouts)
