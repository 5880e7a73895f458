"""A picture with its map overlaid in colour."""

import io
from functools import cache

import numpy as np
from numpy.typing import NDArray

from hrcam.artifacts.map_colours import COLD, OPACITY, WARM, channels_of

# In standard deviations of the reference images. Fixed for all pictures: a map scaled to its own
# maximum would show a lesion in a normal image.
LIMIT = 4.0
_STRONGEST = 256


def encode_overlay(picture: NDArray[np.float32], pattern: NDArray[np.float32]) -> bytes:
    """Draw a pattern map over its picture: warm colours for the class, cold against it.

    Parameters
    ----------
    picture
        Grey values on any scale, shape (rows, columns).
    pattern
        Map of the same shape. Zero is transparent; `LIMIT` and more have the strongest colour.

    Returns
    -------
    Content of a PNG file of the same size.
    """
    from PIL import Image

    low, high = np.percentile(picture, (0.5, 99.5))
    if low == high:
        low, high = picture.min(), picture.max()
    grey = np.clip((picture - low) / (high - low), 0, 1).astype(np.float32)[..., None] * 255
    strength = np.clip(pattern / LIMIT, -1, 1)
    colour, opacity = _table()
    place = np.rint(strength * _STRONGEST).astype(np.int16) + _STRONGEST
    mixed = grey + opacity[place] * (colour[place] - grey)
    buffer = io.BytesIO()
    # More effort makes larger files of noise.
    Image.fromarray(np.round(mixed).astype(np.uint8)).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


@cache
def _table() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return colour (n, 3) and opacity (n, 1) of each strength, from against to for the class."""
    strength = np.arange(-_STRONGEST, _STRONGEST + 1) / _STRONGEST
    ramps = [
        [np.interp(np.abs(strength), np.linspace(0, 1, len(colours)), channel) for channel in
         zip(*channels_of(colours), strict=True)]
        for colours in (WARM, COLD)
    ]  # fmt: skip
    warm, cold = (np.stack(ramp, axis=-1) for ramp in ramps)
    colour = np.where((strength >= 0)[:, None], warm, cold)
    return colour.astype(np.float32), (OPACITY * np.abs(strength))[:, None].astype(np.float32)
