"""Random numbers that depend on an image and a seed, not on the batch."""

import zlib

import numpy as np
import torch

from hrcam.errors import InputError


def generator_of(image: torch.Tensor, seed: int) -> np.random.Generator:
    """Return a generator that depends only on a seed and the content of an image.

    Results are then independent of batches, and images have different noise.

    Parameters
    ----------
    image
        Shape (C, *spatial).
    seed
        0 or more.

    Raises
    ------
    InputError
        If the seed is invalid.
    """
    check_seed(seed)
    content = image.detach().double().cpu().numpy().tobytes()
    return np.random.default_rng([seed, zlib.crc32(content)])


def check_seed(seed: int) -> None:
    """Raise InputError if a seed is not a whole number of 0 or more."""
    if not isinstance(seed, int) or seed < 0:
        raise InputError(f"seed is {seed!r}: it is a whole number, 0 or more")
