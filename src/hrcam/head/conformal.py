"""A limit that few new images exceed, from scores of images that were held out."""

import math

import numpy as np

from hrcam.head.linear_models import Array


def conformal_limit(held_out: Array, rate: float) -> float:
    """Return the limit that a new image exceeds with a probability of at most ``rate``.

    It is the ⌈(1 − rate) (N + 1)⌉-th smallest of the held-out scores (split conformal prediction,
    Vovk et al., 2005). That holds if the new image and the N held-out ones are exchangeable, and
    needs no other assumption.

    Parameters
    ----------
    held_out
        Scores of N images that were not learnt from, shape (N,).
    rate
        Between 0 and 1.

    Returns
    -------
    The limit; infinite with fewer than 1 / rate − 1 images.
    """
    # The sum of one and a share such as 0.05 is not exact.
    place = math.ceil((1 - rate) * (len(held_out) + 1) - 1e-9)
    if place > len(held_out):
        return math.inf
    return float(np.sort(held_out)[place - 1])
