"""CAM: the class weights of a linear head over pooled features, applied to the features."""

from typing import ClassVar

import torch
from torch import nn

from hrcam.baselines.channels import weighted_sum
from hrcam.baselines.interface import Baseline, Classes, explained_classes
from hrcam.capture import capture
from hrcam.errors import LevelError
from hrcam.levels import Level, Levels
from hrcam.model_call import Images, logits_of


class CAM(Baseline):
    """CAM (Zhou et al., CVPR 2016): M_c = Σ_k w_ck A_k, signed, in logit units.

    It is defined only where global average pooling and one linear layer (or a 1×1 convolution
    as the classifier) lead from a level to the logits, and only at that level, which
    ``levels="auto"`` finds. As in the paper there is no ReLU and no bias: the map's mean over
    the level's own positions plus the bias is the logit.

    Parameters
    ----------
    model, levels, output
        As in ``Baseline``.
    """

    name: ClassVar[str] = "CAM"

    @torch.no_grad()
    def _find_levels(self, images: Images) -> Levels:
        levels = super()._find_levels(images)
        output, pooled = capture(self.model, images, levels, lambda _, level: _mean(level))
        logits = logits_of(output, self._output)
        defined = [
            level
            for level, means in zip(levels, pooled, strict=True)
            if _class_weights(self.model, means, logits) is not None
        ]
        wanted = defined if self._names is None else levels
        for level in wanted or levels[:1]:
            if level not in defined:
                raise _undefined(level)
        return Levels(wanted)

    def _level_maps(self, images: Images, classes: Classes) -> list[torch.Tensor]:
        # A copy, since the model may write into the map later.
        output, maps = capture(self.model, images, self.levels, lambda _, level: level.clone())
        logits = logits_of(output, self._output)
        chosen = explained_classes(logits, classes)
        weighted = []
        for level, activations in zip(self.levels, maps, strict=True):
            weights = _class_weights(self.model, _mean(activations), logits)
            if weights is None:
                raise _undefined(level)
            weighted.append(weighted_sum(activations, weights[chosen]))
        return weighted


def _undefined(level: Level) -> LevelError:
    return LevelError(
        f"CAM is not defined for this model at the level {level.name!r}: it needs global average "
        "pooling of that level followed by one linear layer, and no layer of the model gives its "
        "logits that way; take Grad-CAM, which is defined for every model"
    )


def _mean(feature_map: torch.Tensor) -> torch.Tensor:
    """Global average pooling, (B, C_l), in at least single precision."""
    wide = torch.promote_types(feature_map.dtype, torch.float32)
    means: torch.Tensor = feature_map.flatten(2).mean(2, dtype=wide)
    # Digits are lost where the map was made, and decide how far the logits may be off.
    return means.to(feature_map.dtype) if feature_map.dtype == wide else means


def _class_weights(
    model: nn.Module, pooled: torch.Tensor, logits: torch.Tensor
) -> torch.Tensor | None:
    """Return the weights (K, C_l) of the layer that makes these logits of the pooled features.

    The layer is known by its numbers, not by its place: it is the last one that gives the
    logits, within rounding.
    """
    epsilon = max(torch.finfo(tensor.dtype).eps for tensor in (pooled, logits))
    with torch.autocast(pooled.device.type, enabled=False):
        for module in reversed(list(model.modules())):
            if not _is_linear(module):
                continue
            weights = module.weight.detach().flatten(1).to(pooled.dtype)
            if weights.shape != (logits.shape[1], pooled.shape[1]):
                continue
            made, scale = pooled @ weights.T, pooled.abs() @ weights.abs().T
            if module.bias is not None:
                bias = module.bias.detach().to(pooled.dtype)
                made, scale = made + bias, scale + bias.abs()
            if bool(((made - logits).abs() <= (1e-4 + 4 * epsilon) * scale).all()):
                return weights
    return None


def _is_linear(module: nn.Module) -> bool:
    if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d):
        return set(module.kernel_size) == {1} and module.groups == 1
    return isinstance(module, nn.Linear)
