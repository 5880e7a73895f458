"""FullGrad: the gradients of the image and of every bias, in one map of all layers."""

from collections.abc import Callable
from typing import ClassVar, TypeVar

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd

from hrcam.baselines.gradient import independent_of, naming_alternatives, total_score
from hrcam.baselines.interface import (
    ALL_LEVELS,
    Baseline,
    Classes,
    check_finite,
    class_logits,
    upsample_level,
)
from hrcam.baselines.level_fusion import normalise
from hrcam.levels import Level, Levels, find_levels
from hrcam.levels.candidates import candidates_in
from hrcam.levels.capture import reading
from hrcam.levels.dry_run import dry_run
from hrcam.levels.gradients import check_differentiable, gradients_of
from hrcam.model.call import Images, call_model
from hrcam.model.hooks import evaluation_mode
from hrcam.model.tensors import at_least_single, map_tensors
from hrcam.model.wrappers import unwrapped

T = TypeVar("T")


class FullGrad(Baseline):
    """FullGrad (Srinivas and Fleuret, NeurIPS 2019): where the image and the biases count.

    A network of linear layers and ReLUs is affine near each image x, so that its logit is exactly
    ⟨∂logit/∂x, x⟩ + Σ_l ⟨∂logit/∂z_l, b_l⟩, with z_l the output of layer l and b_l its bias
    (proposition 1). Batch normalisation has the bias β − μγ/√(σ² + ε). The map is
    Σ_k ψ(∂logit/∂x ∘ x)_k + Σ_l U_l Σ_k ψ(∂logit/∂z_l ∘ b_l)_k over the channels k (equation 6):
    ψ scales the absolute values of a layer to [0, 1] over its channels and positions, as in the
    authors' code, and U_l upsamples to the image.

    All layers with a bias and a feature map count, and make one map. Biases of layers after the
    pooling have no place in the image, and no part in it. The sum above is not exact for networks
    with other non-linear layers, such as group normalisation or GELU.

    Parameters
    ----------
    model, output, image
        As in ``Baseline``.
    """

    name: ClassVar[str] = "FullGrad"
    fuses_levels = True

    def __init__(
        self, model: nn.Module, output: str | int | None = None, image: str | int | None = None
    ) -> None:
        super().__init__(model, "auto", output, image)

    def _find_levels(self, images: Images) -> Levels:
        # This also checks the model and the images.
        last_of_each_resolution = super()._find_levels(images)
        network = unwrapped(self.model)
        mapped, seen = dry_run(network, images, self._output, self._image)
        runs: dict[str, int] = {}
        for one in seen:
            if not one.at_input and bias_of(network.get_submodule(one.module)) is not None:
                runs[one.module] = max(runs.get(one.module, 0), one.run + 1)
        names: list[str] = []
        for one in (candidate.record for candidate in candidates_in(seen, tuple(mapped.shape[2:]))):
            if one.module in runs and not one.at_input:
                number = f"#{one.run + 1}" if runs[one.module] > 1 else ""
                names.append(f"{one.module}{number}")
        if not names:  # the map is that of the image alone
            return Levels([], last_of_each_resolution.image)
        return find_levels(network, images, list(dict.fromkeys(names)), self._output, self._image)

    def _maps(self, images: Images, classes: Classes) -> dict[str, torch.Tensor]:
        grid, channels = self.levels.grid_of(images), self.levels.image_of(images).shape[1]
        of_image, of_biases = full_gradient(
            self.model, images, self.levels, classes, self._output, _scaled
        )
        image = Level("image", "", channels, grid, (1.0,) * len(grid))
        total = torch.zeros_like(of_image)
        for level, share in zip([image, *self.levels], [of_image, *of_biases], strict=True):
            check_finite(level, share)
            total += upsample_level(share[:, None], level, grid)[:, 0]
        return {ALL_LEVELS: total}


def _scaled(product: torch.Tensor) -> torch.Tensor:
    """Return Σ_k ψ(product)_k, without the upsampling."""
    return normalise(product.abs()).sum(1)


def full_gradient(
    model: nn.Module,
    images: Images,
    levels: Levels,
    classes: Classes,
    output: str | int | None,
    reduce: Callable[[torch.Tensor], T],
) -> tuple[T, list[T]]:
    """Return the parts of a logit that belong to the image, and to the biases of each layer.

    Each is reduced as soon as the backward pass has made it: no gradient outlives its layer.

    Parameters
    ----------
    model
        Any module from images to logits; left exactly as it was.
    images, classes
        As in ``Baseline.by_level``.
    levels
        Outputs of the layers with biases.
    output
        Key or index of the logits, where the model returns several things.
    reduce
        Returns what to keep of ∂logit/∂x ∘ x or ∂logit/∂z_l ∘ b_l, of shape (B, C_l, *S_l) in at
        least single precision.

    Returns
    -------
    What is kept for the image, and for each of the levels.

    Raises
    ------
    GradientError
        If the model has no gradient.
    InputError, LevelError
        As in ``Baseline.by_level``.
    """
    with naming_alternatives():
        check_differentiable(model)
    network, image = unwrapped(model), levels.image_of(images)
    leaves: list[torch.Tensor] = []
    kept: dict[int, T] = {}

    def copy(tensor: torch.Tensor) -> torch.Tensor:
        copied = tensor.detach().clone()
        if tensor is image:
            leaves.append(copied.requires_grad_())
        return copied.clone()  # not a leaf: the model may write into its input

    def read(index: int, feature_map: torch.Tensor) -> torch.Tensor:
        # The model goes on with a copy, so that it may write into what it made.
        going_on = feature_map.clone()
        bias = bias_of(network.get_submodule(levels[index].module))
        assert bias is not None  # of a layer that ``_find_levels`` has chosen
        column = bias.view(-1, *[1] * (feature_map.ndim - 2))

        def keep(gradient: torch.Tensor) -> None:
            plain = at_least_single(gradient.detach().as_subclass(torch.Tensor))
            kept[index] = reduce(plain * column)

        if going_on.requires_grad:
            going_on.register_hook(keep)  # type: ignore[no-untyped-call]
        return going_on

    with torch.inference_mode(False), torch.enable_grad():
        with evaluation_mode(network), reading(network, levels, read):
            returned = call_model(network, map_tensors(images, copy))
        with naming_alternatives():
            (gradient,) = gradients_of(total_score(returned, output, classes, class_logits), leaves)
    for index, level in enumerate(levels):
        if index not in kept:
            raise independent_of(level)
    # Without a layer of its own on the way, the image may have no gradient.
    own = at_least_single(leaves[0].detach().as_subclass(torch.Tensor))
    of_image = torch.zeros_like(own) if gradient is None else own * gradient
    return reduce(of_image), [kept[index] for index in range(len(levels))]


def bias_of(module: nn.Module) -> torch.Tensor | None:
    """Return what a layer adds to each channel of a linear map of its input, shape (C,).

    None if it is no layer with a bias, or if its bias differs between positions.
    """
    if not isinstance(module, _ConvNd | nn.Linear | _NormBase | nn.GroupNorm | nn.LayerNorm):
        return None
    bias = _detached(module.bias)
    if isinstance(module, _NormBase):
        mean, variance = _detached(module.running_mean), _detached(module.running_var)
        if mean is not None and variance is not None:
            scale = (variance + module.eps).rsqrt()
            weight = _detached(module.weight)
            shift = -mean * (scale if weight is None else scale * weight)
            bias = shift if bias is None else bias + shift
    return bias if bias is not None and bias.ndim == 1 else None


def _detached(tensor: torch.Tensor | None) -> torch.Tensor | None:
    return None if tensor is None else at_least_single(tensor.detach())
