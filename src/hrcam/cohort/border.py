"""The border of an image in numbers: where frames, marks and scanners show."""

import numpy as np
from numpy.typing import NDArray

FRAME = 16
"""The border is the outermost sixteenth along each axis, on either side."""

_PERCENTILES = (5, 50, 95)


def border_of(voxels: NDArray[np.float32]) -> tuple[tuple[float, ...], ...]:
    """Describe the border of an image: mean, standard deviation and percentiles of each side.

    Parameters
    ----------
    voxels
        In the intensities of the file, shape (C, *spatial): scaled by the whole image, they would
        tell a large lesion.

    Returns
    -------
    tuple of tuple of float
        Shape (C, 5 × 2 × axes).
    """
    return tuple(tuple(_sides(channel)) for channel in voxels)


def _sides(channel: NDArray[np.float32]) -> list[float]:
    found: list[float] = []
    for axis, size in enumerate(channel.shape):
        width = max(1, size // FRAME)
        for start in (0, size - width):
            side = channel[(slice(None),) * axis + (slice(start, start + width),)]
            found += [float(side.mean(dtype=float)), float(side.std(dtype=float))]
            found += np.percentile(side, _PERCENTILES).tolist()
    return found
