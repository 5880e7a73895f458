"""Where the object is in an image: the box around what is not background."""

import numpy as np
from numpy.typing import NDArray

TOLERANCE = 0.05
"""How far from the background's value background may be, as a share of the intensity range."""


def foreground_box(voxels: NDArray[np.float32]) -> tuple[slice, ...]:
    """Find the smallest box that holds everything but the background.

    The background is what the border of the image shows, if at least half of the border lies
    within 5 % of the intensity range (0.5 to 99.5 %) of the border's median. An image whose border
    shows anything else, as a crop of tissue does, is foreground as a whole.

    Parameters
    ----------
    voxels
        Shape (C, *spatial), finite. Channels are searched one by one, and the box holds the
        foreground of each.

    Returns
    -------
    tuple of slice
        One for each spatial axis, never empty.
    """
    shape = voxels.shape[1:]
    whole = tuple(slice(0, size) for size in shape)
    inside = np.zeros(shape, dtype=bool)
    for channel in voxels:
        border = _border(channel)
        low, high = np.percentile(channel, (0.5, 99.5))
        background = float(np.median(border))
        margin = TOLERANCE * float(high - low)
        if np.mean(np.abs(border - background) <= margin) < 0.5:
            return whole
        inside |= np.abs(channel - background) > margin
    if not inside.any():  # only an image of one value, which is refused elsewhere
        return whole
    box = []
    for axis in range(len(shape)):
        others = tuple(other for other in range(len(shape)) if other != axis)
        places = np.flatnonzero(inside.any(axis=others))
        box.append(slice(int(places[0]), int(places[-1]) + 1))
    return tuple(box)


def _border(channel: NDArray[np.float32]) -> NDArray[np.float32]:
    """Values on the faces of a volume, or along the edges of a picture."""
    faces = [
        channel.take(place, axis=axis).ravel() for axis in range(channel.ndim) for place in (0, -1)
    ]
    return np.concatenate(faces)
