"""Random augmentation of prepared images in training."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from hrcam.preparation.preparation import Preparation


@dataclass(frozen=True)
class Changes:
    """How far training moves images at random.

    Attributes
    ----------
    mirror
        Exchange left and right in half of the images.
    rotation
        Largest angle, in degrees.
    zoom, shift
        Largest change of size and of position, as fractions of the image's size.
    """

    mirror: bool
    rotation: float
    zoom: float
    shift: float


def usual_changes(preparation: Preparation) -> Changes:
    """Return the changes that suit images: smaller ones where they have a scale in mm."""
    rotation, zoom, shift = _PICTURE if preparation.spacing is None else _SCALED
    return Changes(preparation.left_right is not None, rotation, zoom, shift)


# Framing and scale of a picture are arbitrary. In mm, size is informative, e.g. for atrophy.
_PICTURE = (15.0, 0.2, 0.15)
_SCALED = (10.0, 0.0, 0.05)
# Volumes whose slices are this many times thicker than pixels rotate only within the slice.
_THICK = 2


def augmentation(
    preparation: Preparation, changes: Changes | None = None
) -> Callable[[torch.Tensor, int], torch.Tensor]:
    """Return a random transform for training.

    It mirrors left to right; rotates, only in plane for thick slices, zooms and shifts; changes
    brightness, contrast and gamma; and adds noise.

    Parameters
    ----------
    preparation
        The preparation of the images.
    changes
        How far images are moved; None for `usual_changes`. Images without an axis from left to
        right are not mirrored.

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

    changes = changes or usual_changes(preparation)
    steps = [
        RandAffine(
            prob=0.9,
            rotate_range=_rotations(preparation, np.deg2rad(changes.rotation)),
            scale_range=(changes.zoom,) * preparation.dimensions,
            translate_range=[changes.shift * side for side in preparation.shape],
            padding_mode="border",
        ),
        RandAdjustContrast(prob=0.5, gamma=(0.7, 1.4)),
        RandScaleIntensity(factors=0.3, prob=0.5),
        RandShiftIntensity(offsets=0.3, prob=0.5),
        RandGaussianNoise(prob=0.5, std=0.1),
    ]
    if changes.mirror and preparation.left_right is not None:
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
