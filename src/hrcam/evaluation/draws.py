"""Random numbers that belong to an image: the same in every batch, and in every run."""

import zlib

import numpy as np
import torch

from hrcam.errors import InputError


def generator_of(image: torch.Tensor, seed: int) -> np.random.Generator:
    """Return a generator that depends on a seed and on what is in the image, and on nothing else.

    Batches can so be cut in any way, and two images never share their noise.

    Parameters
    ----------
    image
        Shape (C, *spatial).
    seed
        0 or more.

    Raises
    ------
    InputError
        If the seed cannot be used.
    """
    check_seed(seed)
    content = image.detach().double().cpu().numpy().tobytes()
    return np.random.default_rng([seed, zlib.crc32(content)])


def check_seed(seed: int) -> None:
    """Refuse what is no seed; raises InputError."""
    if not isinstance(seed, int) or seed < 0:
        raise InputError(f"seed is {seed!r}: it is a whole number, 0 or more")
