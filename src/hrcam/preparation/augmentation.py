"""Random augmentation of prepared images in training."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from hrcam.preparation.preparation import Preparation


@dataclass(frozen=True)
class _Ranges:
    """Largest rotation (radians), zoom and shift (fractions of the image's size)."""

    rotation: float
    zoom: float
    shift: float


# Framing and scale of a picture are arbitrary. In mm, size is informative, e.g. for atrophy.
_PICTURE = _Ranges(np.deg2rad(15), 0.2, 0.15)
_SCALED = _Ranges(np.deg2rad(10), 0, 0.05)
# Volumes whose slices are this many times thicker than pixels rotate only within the slice.
_THICK = 2


def augmentation(preparation: Preparation) -> Callable[[torch.Tensor, int], torch.Tensor]:
    """Return a random transform for training.

    It mirrors left to right, if the preparation allows it; rotates, zooms and shifts, more for
    pictures without a scale in mm, and only in plane for thick slices; changes brightness,
    contrast and gamma; and adds noise.

    Parameters
    ----------
    preparation
        The preparation of the images.

    Returns
    -------
    A function of a prepared image, shape (C, *shape), and a seed, an integer below 2³². It returns
    the transformed image; the same image and seed give the same result.
    """
    from monai.transforms.compose import Compose
    from monai.transforms.intensity.array import (
        RandAdjustContrast,
        RandGaussianNoise,
        RandScaleIntensity,
        RandShiftIntensity,
    )
    from monai.transforms.spatial.array import RandAffine, RandFlip

    strength = _PICTURE if preparation.spacing is None else _SCALED
    steps = [
        RandAffine(
            prob=0.9,
            rotate_range=_rotations(preparation, strength.rotation),
            scale_range=(strength.zoom,) * preparation.dimensions,
            translate_range=[strength.shift * side for side in preparation.shape],
            padding_mode="border",
        ),
        RandAdjustContrast(prob=0.5, gamma=(0.7, 1.4)),
        RandScaleIntensity(factors=0.3, prob=0.5),
        RandShiftIntensity(offsets=0.3, prob=0.5),
        RandGaussianNoise(prob=0.5, std=0.1),
    ]
    if preparation.left_right is not None:
        steps.insert(0, RandFlip(prob=0.5, spatial_axis=preparation.left_right))
    return _SeededTransform(Compose(steps))


class _SeededTransform:
    """A MONAI transform with one seed per call; a class, so that it can be pickled."""

    def __init__(self, transform: Any) -> None:
        # Gives each step its own generator, which every call seeds again.
        self._transform = transform.set_random_state(0)

    def __call__(self, image: torch.Tensor, draw: int) -> torch.Tensor:
        self._seed(draw)
        with _without_metadata():
            changed: torch.Tensor = self._transform(image)
        return changed

    def _seed(self, draw: int) -> None:
        """Seed as ``set_random_state`` does, 50 times faster: it makes new generators."""
        from monai.transforms.transform import Randomizable
        from monai.utils.misc import MAX_SEED

        compose = self._transform
        compose.R.seed(draw)
        for step in compose.transforms:
            seed = int(compose.R.randint(MAX_SEED, dtype="uint32"))
            for part in (step, getattr(step, "rand_affine_grid", None)):
                if isinstance(part, Randomizable):
                    part.R.seed(seed)


@contextmanager
def _without_metadata() -> Iterator[None]:
    """Turn off MONAI's metadata tracking, which takes a third of the time."""
    from monai.data.meta_obj import get_track_meta, set_track_meta

    tracked = get_track_meta()
    set_track_meta(False)
    try:
        yield
    finally:
        set_track_meta(tracked)


def _rotations(preparation: Preparation, largest: float) -> tuple[float, ...]:
    """Return the largest angle about each axis."""
    if preparation.dimensions == 2:
        return (largest,)
    spacing = preparation.spacing or (1.0,) * 3
    if max(spacing) <= _THICK * min(spacing):
        return (largest,) * 3
    return tuple(largest if size == max(spacing) else 0.0 for size in spacing)
