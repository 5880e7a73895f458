"""Pack the samples of images and maps as text of a page, with 8 bits each.

The script on the page decodes them itself. A canvas is no option, because browsers that prevent
fingerprinting add noise to values read from it.
"""

import base64
import zlib

import numpy as np
from numpy.typing import NDArray

ZERO = 128
"""Sample of a map's zero."""

_STEPS = 127
_MEMORY = 9  # the most; of zlib


def pack(samples: NDArray[np.uint8]) -> str:
    """Pack samples (x, y, z) as text.

    What is kept is the difference from a prediction by the neighbours before, deflated, in base64.
    Of two predictions the one that takes less room is used, and named by the first letter: "m",
    the mean of the neighbours, for noisy samples, and "p", a plane through them, for smooth ones.
    """
    packed = {
        letter: _deflate(samples - predicted)
        for letter, predicted in (("m", _mean(samples)), ("p", _plane(samples)))
    }
    letter, content = min(packed.items(), key=lambda item: len(item[1]))
    return letter + base64.b64encode(content).decode("ascii")


def quantise(values: NDArray[np.float32]) -> tuple[NDArray[np.uint8], float]:
    """Round a map to whole steps of its largest absolute value over 127; zero stays zero.

    Returns
    -------
    samples, step
        The map is ``(samples - ZERO) * step``, to half a step.
    """
    step = float(np.abs(values).max()) / _STEPS or 1.0
    return (np.rint(values / step) + ZERO).astype(np.uint8), step


def _deflate(differences: NDArray[np.uint8]) -> bytes:
    # Differences have runs, and hardly any other repeats to search for.
    stream = zlib.compressobj(6, zlib.DEFLATED, zlib.MAX_WBITS, _MEMORY, zlib.Z_RLE)
    return stream.compress(differences.tobytes(order="F")) + stream.flush()


def _mean(samples: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Predict the mean of the neighbours; in the first slice there are two."""
    a, b, c = _neighbours(samples)
    mean = (a + b + c) // 3
    mean[..., 0] = (a[..., 0] + b[..., 0]) // 2
    return mean.astype(np.uint8)


def _plane(samples: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Predict the continuation of a plane; in the first slice, of one in two dimensions."""
    a, b, c = _neighbours(samples)
    ab, ac, bc = (_before(first, axis) for first, axis in ((a, 1), (a, 2), (b, 2)))
    plane = (2 * (a + b + c) - ab - ac - bc) // 3
    plane[..., 0] = (a + b - ab)[..., 0]
    return plane.clip(0, 255).astype(np.uint8)


def _neighbours(samples: NDArray[np.uint8]) -> list[NDArray[np.int16]]:
    return [_before(samples.astype(np.int16), axis) for axis in range(3)]


def _before(values: NDArray[np.int16], axis: int) -> NDArray[np.int16]:
    """Return the neighbour before each sample along an axis; 0 where there is none."""
    moved = np.zeros_like(values)
    np.moveaxis(moved, axis, 0)[1:] = np.moveaxis(values, axis, 0)[:-1]
    return moved
