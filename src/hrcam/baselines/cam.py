"""CAM: the class weights of a linear head over pooled features, applied to the features."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeGuard

import torch
from torch import nn

from hrcam.baselines.interface import (
    Classes,
    LevelMethod,
    explained_classes,
    finite_logits,
    weighted_sum,
)
from hrcam.errors import LevelError
from hrcam.levels import Level, Levels
from hrcam.levels.capture import capture
from hrcam.model.call import Images


class CAM(LevelMethod):
    """CAM (Zhou et al., CVPR 2016): M_c = Σ_k w_ck A_k, signed, in logit units.

    CAM is defined only at a level from which global average pooling and one linear layer (or 1×1
    convolution) lead to the logits; ``levels="auto"`` finds it. As in the paper there is no ReLU
    and no bias: the map's mean over the level's positions plus the bias is the logit.

    Parameters
    ----------
    model, levels, output
        As in ``Baseline``.
    """

    name: ClassVar[str] = "CAM"

    @torch.no_grad()
    def _find_levels(self, images: Images) -> Levels:
        levels = super()._find_levels(images)
        output, pooled = capture(self.model, images, levels, lambda _, level: _pool(level))
        logits = finite_logits(output, self._output)
        defined = [_class_weights(self.model, means, logits) is not None for means in pooled]
        found = Levels(itertools.compress(levels, defined), levels.image)
        missing = [level for level in levels if level not in found]
        if missing and (self._names is not None or not found):
            raise _undefined(missing)
        return found

    def _level_maps(self, images: Images, classes: Classes) -> list[torch.Tensor]:
        # A copy, since the model may overwrite the map in place.
        output, maps = capture(self.model, images, self.levels, lambda _, level: level.clone())
        logits = finite_logits(output, self._output)
        chosen = explained_classes(logits, classes)
        weighted = []
        for level, activations in zip(self.levels, maps, strict=True):
            weights = _class_weights(self.model, _pool(activations), logits)
            if weights is None:
                raise _undefined([level])
            weighted.append(weighted_sum(activations, weights[chosen]))
        return weighted


def _undefined(levels: Sequence[Level]) -> LevelError:
    names = ", ".join(level.name for level in levels)
    return LevelError(
        f"CAM is not defined for this model at {names}: it needs global average pooling of a "
        "level followed by one linear layer, and no layer of the model gives its logits that "
        "way; use Grad-CAM, which is defined for every model"
    )


@dataclass(frozen=True)
class _Pooled:
    """Global average of a level, (B, C_l), and the machine epsilon of the level's type."""

    means: torch.Tensor
    epsilon: float


def _pool(feature_map: torch.Tensor) -> _Pooled:
    wide = torch.promote_types(feature_map.dtype, torch.float32)
    means = feature_map.flatten(2).mean(2, dtype=wide)
    return _Pooled(means, torch.finfo(feature_map.dtype).eps)


def _class_weights(model: nn.Module, pooled: _Pooled, logits: torch.Tensor) -> torch.Tensor | None:
    """Return the weights (K, C_l) of the linear layer from the pooled level to the logits.

    The layer is recognised by its output: it is the last one that gives the logits, up to
    rounding. None if there is no such layer.
    """
    means = pooled.means
    tolerance = 1e-4 + 4 * max(pooled.epsilon, torch.finfo(logits.dtype).eps)
    with torch.autocast(means.device.type, enabled=False):
        for module in reversed(list(model.modules())):
            if not _is_linear(module):
                continue
            weights = module.weight.detach().flatten(1).to(means)
            if weights.shape != (logits.shape[1], means.shape[1]):
                continue
            bias = weights.new_zeros(1) if module.bias is None else module.bias.detach().to(means)
            made = means @ weights.T + bias
            scale = means.abs() @ weights.abs().T + bias.abs()
            if bool(((made - logits.to(means)).abs() <= tolerance * scale).all()):
                return weights
    return None


def _is_linear(module: nn.Module) -> TypeGuard[nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d]:
    if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d):
        return set(module.kernel_size) == {1} and module.groups == 1
    return isinstance(module, nn.Linear)
