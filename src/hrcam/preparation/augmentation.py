"""Random changes of prepared images in training, which should not change what is seen in them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from hrcam.preparation.preparation import Preparation


@dataclass(frozen=True)
class _Strength:
    """How far an image is turned (radians), zoomed and shifted (shares of its size) at most."""

    turn: float
    zoom: float
    shift: float


# A picture is framed by whoever took it. Millimetres mean something: atrophy is a matter of size.
_PICTURE = _Strength(np.deg2rad(15), 0.2, 0.15)
_SCALED = _Strength(np.deg2rad(10), 0, 0.05)
# Slices this many times as far apart as pixels are not turned into one another.
_THICK = 2


def augmentation(preparation: Preparation) -> Callable[[torch.Tensor, int], torch.Tensor]:
    """Return a transform that changes an image at random.

    Mirrored left to right where the two may be exchanged; turned, zoomed and shifted, more so
    for pictures without millimetres, and thick slices within their plane only; brightness,
    contrast and gamma changed, and noise added.

    Parameters
    ----------
    preparation
        Of the images.

    Returns
    -------
    A function of a prepared image, shape (C, *shape), and of a whole number below 2³², the seed
    of this one change. It returns the changed image, the same for the same two.
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
            rotate_range=_turns(preparation, strength.turn),
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
    return _Changes(Compose(steps))


class _Changes:
    """A MONAI transform and how to call it; no closure, as other processes get it too."""

    def __init__(self, transform: Any) -> None:
        # Each step gets a generator of its own, to be seeded anew by every call.
        self._transform = transform.set_random_state(0)

    def __call__(self, image: torch.Tensor, draw: int) -> torch.Tensor:
        self._seed(draw)
        with _without_metadata():
            changed: torch.Tensor = self._transform(image)
        return changed

    def _seed(self, draw: int) -> None:
        """Do as ``set_random_state`` does, in a fiftieth of the time: it makes new generators."""
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
    """Let MONAI work on plain tensors: what it notes of every step takes a third of the time."""
    from monai.data.meta_obj import get_track_meta, set_track_meta

    tracked = get_track_meta()
    set_track_meta(False)
    try:
        yield
    finally:
        set_track_meta(tracked)


def _turns(preparation: Preparation, largest: float) -> tuple[float, ...]:
    """Largest angle about each axis."""
    if preparation.dimensions == 2:
        return (largest,)
    spacing = preparation.spacing or (1.0,) * 3
    if max(spacing) <= _THICK * min(spacing):
        return (largest,) * 3
    return tuple(largest if size == max(spacing) else 0.0 for size in spacing)
