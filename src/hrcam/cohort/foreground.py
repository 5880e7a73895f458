"""Where the object is in an image: the box around what is not background."""

import numpy as np
from numpy.typing import NDArray

# How far from the background's value background may be, as a share of the intensity range.
_TOLERANCE = 0.05


def background_of(channel: NDArray[np.float32]) -> tuple[float, float] | None:
    """Find what lies around the object.

    The background is what the border of the image shows, if at least half of the border lies
    within 5 % of the intensity range (0.5 to 99.5 %) of the border's median.

    Parameters
    ----------
    channel
        Shape (*spatial), finite.

    Returns
    -------
    The background's value, and how far from it background may be; None where the border shows
    anything else, as in a crop of tissue.
    """
    border = _border(channel)
    value = float(np.median(border))
    low, high = np.percentile(channel, (0.5, 99.5))
    margin = _TOLERANCE * float(high - low)
    return (value, margin) if np.mean(np.abs(border - value) <= margin) >= 0.5 else None


def foreground_box(voxels: NDArray[np.float32]) -> tuple[slice, ...]:
    """Find the smallest box that holds everything but the background.

    An image without a background (`background_of`), as a crop of tissue, is foreground as a
    whole.

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
        background = background_of(channel)
        if background is None:
            return whole
        value, margin = background
        inside |= np.abs(channel - value) > margin
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
