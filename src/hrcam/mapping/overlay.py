"""A picture with its map overlaid in colour."""

import io

import numpy as np
from numpy.typing import NDArray

from hrcam.artifacts.map_colours import COLD, OPACITY, WARM, channels_of

# In standard deviations of the reference images. Fixed for all pictures: a map scaled to its own
# maximum would show a lesion in a normal image.
LIMIT = 4.0
_SHADE = 4


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
    Content of a PNG file of the same size, in 64 shades of each colour, which need less room.
    """
    from PIL import Image

    low, high = np.percentile(picture, (0.5, 99.5))
    if low == high:
        low, high = picture.min(), picture.max()
    grey = np.clip((picture.astype(np.float64) - low) / (high - low), 0, 1) * 255
    strength = np.clip(np.abs(pattern.astype(np.float64)) / LIMIT, 0, 1)
    colour = np.where((pattern >= 0)[..., None], _ramp(strength, WARM), _ramp(strength, COLD))
    opacity = OPACITY * strength[..., None]
    mixed = (1 - opacity) * grey[..., None] + opacity * colour
    buffer = io.BytesIO()
    shades = np.minimum(np.round(mixed / _SHADE) * _SHADE, 255).astype(np.uint8)
    Image.fromarray(shades).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def _ramp(strength: NDArray[np.float64], colours: tuple[str, ...]) -> NDArray[np.float64]:
    nodes = np.linspace(0, 1, len(colours))
    channels = zip(*channels_of(colours), strict=True)
    return np.stack([np.interp(strength, nodes, channel) for channel in channels], axis=-1)
