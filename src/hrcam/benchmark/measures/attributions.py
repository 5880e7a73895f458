"""Voxel attribution methods, by captum from the `benchmark` extra."""

from importlib.util import find_spec

import torch
from torch import nn

from hrcam.benchmark.variant import Variant
from hrcam.errors import InputError
from hrcam.evaluation.random_numbers import generator_of

INTEGRATED_GRADIENTS = Variant("Integrated gradients")
SMOOTHGRAD = Variant("SmoothGrad")
OCCLUSION = Variant("Occlusion")
ATTRIBUTIONS = (INTEGRATED_GRADIENTS, SMOOTHGRAD, OCCLUSION)

_STEPS = 32  # of the path of Integrated gradients
_NOISY, _NOISE = 25, 0.15  # SmoothGrad: images, and their noise as a share of the image's range
_PATCHES = {2: 8, 3: 4}  # Occlusion: windows side by side along each axis, by dimensions
_AT_ONCE = 16


def check_captum() -> None:
    """Raise InputError if captum is not installed."""
    if find_spec("captum") is None:
        raise InputError(
            "captum is not installed, and Integrated gradients, SmoothGrad and Occlusion come "
            "from it: pip install 'hrcam[benchmark]'"
        )


def attribution_maps(
    model: nn.Module, images: torch.Tensor, classes: torch.Tensor, seed: int = 0
) -> dict[Variant, torch.Tensor]:
    """Map images with Integrated gradients, SmoothGrad and Occlusion.

    The baseline is 0, the mean of the image's foreground. Absolute values of the first two are
    summed over channels; Occlusion is signed, the fall of the logit when a window is covered, with
    an overlap of one half.

    Parameters
    ----------
    model
        Network from images to logits, in evaluation mode.
    images
        Shape (B, C, *spatial), on the model's device.
    classes
        Classes to explain, (B,).
    seed
        Random seed of SmoothGrad's noise, which does not depend on the batch.

    Returns
    -------
    One tensor of shape (B, *spatial) per method, on the images' device.
    """
    parts = [
        _of_one(model, image[None], int(one), seed)
        for image, one in zip(images, classes, strict=True)
    ]
    return {method: torch.cat([part[method] for part in parts]) for method in parts[0]}


def _of_one(
    model: nn.Module, image: torch.Tensor, target: int, seed: int
) -> dict[Variant, torch.Tensor]:
    from captum.attr import IntegratedGradients, NoiseTunnel, Occlusion, Saliency

    image = image.detach().clone().requires_grad_()
    integrated = IntegratedGradients(model).attribute(
        image, target=target, n_steps=_STEPS, internal_batch_size=_AT_ONCE
    )
    with torch.random.fork_rng():  # captum draws from torch's own generator
        torch.manual_seed(int(generator_of(image[0], seed).integers(2**31)))
        smooth = NoiseTunnel(Saliency(model)).attribute(
            image,
            nt_type="smoothgrad",
            nt_samples=_NOISY,
            stdevs=_NOISE * float(image.detach().max() - image.detach().min()),
            target=target,
            abs=False,
        )
    channels, grid = image.shape[1], image.shape[2:]
    window = [max(2, size // _PATCHES[len(grid)]) for size in grid]
    with torch.no_grad():
        occlusion = Occlusion(model).attribute(
            image.detach(),
            sliding_window_shapes=(channels, *window),
            strides=(channels, *(max(1, size // 2) for size in window)),
            target=target,
            perturbations_per_eval=_AT_ONCE,
        )
    return {
        INTEGRATED_GRADIENTS: integrated.detach().abs().sum(1).float(),
        SMOOTHGRAD: smooth.detach().abs().sum(1).float(),
        OCCLUSION: occlusion.detach().mean(1).float(),
    }
