"""The randomisation check: compare maps with those of the same network with random weights.

The cascading randomisation of Adebayo et al. (NeurIPS 2018), with HR-CAM refitted each time.
"""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from hrcam.artifacts.check_results import Check
from hrcam.errors import HRCAMError, HRCAMWarning
from hrcam.evaluation.similarity import spearman, ssim
from hrcam.explainer import HRCAM
from hrcam.model.hooks import evaluation_mode
from hrcam.sanity.batched_maps import batch_size, device_of, patterns_as_read_of
from hrcam.sanity.limits import LIMITS, SAME_NETWORK, as_floats, unmeasured
from hrcam.sanity.random_weights import modules_from_output, randomised_stages

DRAWS = 3
"""Number of networks with random weights."""
STAGES = 4
"""Number of stages of the cascade, in the first draw."""
FEWEST_IMAGES = 8
"""Fewest images for refitting: with fewer, the refit alone would change the map."""

# Distance between the seeds of draws, larger than the number of stages.
_SEEDS_APART = 1000

_FITTING = logging.getLogger("hrcam.explainer")


@dataclass(frozen=True, eq=False)
class Randomisation:
    """Result of the randomisation check.

    Attributes
    ----------
    check
        SSIM with the maps of an untrained network.
    cascade
        Fraction of randomised layers and mean SSIM; empty if not measured.
    untrained
        The maps of the first untrained network, shape (B, *spatial), or None.
    """

    check: Check
    cascade: tuple[tuple[float, float], ...] = ()
    untrained: torch.Tensor | None = None


def check_randomisation(
    explainer: HRCAM,
    images: torch.Tensor,
    classes: torch.Tensor,
    region: torch.Tensor,
    references: torch.Tensor,
    *,
    seed: int,
) -> Randomisation:
    """Compare the maps of a network with those of `DRAWS` untrained networks, the first in stages.

    The sign of an untrained network's maps is arbitrary, so the more similar sign counts. Maps are
    compared before refinement along the edges of the image, which is the same for every network
    and would make any two maps similar.

    Parameters
    ----------
    explainer
        Explainer of the network.
    images, classes, region, references
        As in `hrcam.sanity.run_checks.CheckInputs`.
    seed
        Random seed of the weights.
    """
    if len(references) < FEWEST_IMAGES:
        return Randomisation(
            unmeasured(
                "randomisation",
                f"it needs {FEWEST_IMAGES} scans mapped by one network, to fit HR-CAM to an "
                f"untrained one, and there are {len(references)}",
            )
        )
    batches = torch.split(references.to(device_of(explainer)), batch_size(references))
    if len(batches[-1]) < 2:  # batch normalisation of vectors needs two
        batches = batches[:-1]
    ends: list[tuple[NDArray[np.float64], torch.Tensor]] = []
    cascade: list[tuple[float, float]] = []
    try:
        patterns = patterns_as_read_of(explainer, images, classes)
        between = float(ssim(patterns, patterns.roll(1, 0), region).mean())
        for draw in range(DRAWS):
            for share, untrained in untrained_explainers(
                explainer,
                batches,
                stages=1 if draw else STAGES,
                seed=seed + draw * _SEEDS_APART,
            ):
                if draw and share == 0:
                    continue
                maps = patterns_as_read_of(untrained, images, classes)
                alike, turned = _alike(patterns, maps, region, either=share > 0)
                if draw == 0:
                    cascade.append((share, float(alike.mean())))
                if share == 1:
                    ends.append((alike, turned))
    except HRCAMError as error:
        return Randomisation(unmeasured("randomisation", str(error)))
    same = cascade[0][1]
    if same < SAME_NETWORK:
        reason = (
            f"fitted again to the very same network, on {len(references)} scans, HR-CAM "
            f"gives other maps (SSIM {same:.2f}), so that an untrained network proves nothing"
        )
        return Randomisation(unmeasured("randomisation", reason), tuple(cascade), ends[0][1])
    ranks = [spearman(patterns, turned, region).mean() for _, turned in ends]
    check = Check(
        "randomisation",
        as_floats(np.mean([alike for alike, _ in ends], axis=0)),
        LIMITS["randomisation"],
        details={
            "rank correlation with an untrained network": float(np.mean(ranks)),
            "SSIM after fitting HR-CAM again, nothing random": same,
            "SSIM of maps of different scans": between,
        },
    )
    return Randomisation(check, tuple(cascade), ends[0][1])


def untrained_explainers(
    explainer: HRCAM, batches: Sequence[torch.Tensor], *, stages: int, seed: int
) -> Iterator[tuple[float, HRCAM]]:
    """Randomise a network from the output to the input, and refit HR-CAM at each stage.

    HR-CAM is refitted to the outputs of the randomised network, because a head for the trained
    network would not suit other features, which alone would change every map. The comparison is
    then with the maps that a user would get from an untrained network. A random network predicts
    one class for nearly all images, so its outputs are standardised first; then each class has
    images.

    Parameters
    ----------
    explainer
        Fitted explainer; not modified.
    batches
        Images to fit on, each of shape (B, C, *spatial), on the network's device.
    stages
        Number of stages.
    seed
        Random seed of the weights.

    Yields
    ------
    share, explainer
        Fraction of randomised layers, and the explainer: first with none (0), which shows the
        effect of refitting alone, last with all (1). Use each before the next iteration.

    Raises
    ------
    HRCAMError
        If a network cannot be randomised, or nothing can be fitted to it.
    """
    names = [level.name for level in explainer.levels]
    number = len(modules_from_output(explainer.model, batches[0]))
    done = 0
    for chosen, network in randomised_stages(explainer.model, batches[0], stages=stages, seed=seed):
        done += len(chosen)
        untrained = HRCAM(network, names)
        with _standardised(network, batches):
            with _quiet():
                untrained.fit(batches, "logits", reference=explainer.reference, seed=seed)
            yield done / number, untrained


def _alike(
    patterns: torch.Tensor, maps: torch.Tensor, region: torch.Tensor, *, either: bool
) -> tuple[NDArray[np.float64], torch.Tensor]:
    """Return the SSIM of each image, (B,), and the maps with the sign that is more similar."""
    upright = ssim(patterns, maps, region)
    if not either:
        return upright, maps
    turned = ssim(patterns, -maps, region)
    return (upright, maps) if upright.mean() >= turned.mean() else (turned, -maps)


@contextmanager
def _standardised(network: nn.Module, batches: Sequence[torch.Tensor]) -> Iterator[None]:
    """Standardise a network's logits to mean 0 and standard deviation 1 over these images."""
    with torch.no_grad(), evaluation_mode(network):
        logits = torch.cat([network(batch) for batch in batches])
    mean, deviation = logits.mean(0), logits.std(0).clamp_min(torch.finfo(logits.dtype).tiny)

    def standardise(_network: nn.Module, _images: Any, output: torch.Tensor) -> torch.Tensor:
        return (output - mean) / deviation

    handle = network.register_forward_hook(standardise)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence warnings about the quality of these fits."""
    level = _FITTING.level
    _FITTING.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", HRCAMWarning)
            yield
    finally:
        _FITTING.setLevel(level)
