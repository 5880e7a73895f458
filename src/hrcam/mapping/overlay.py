"""A picture with its map overlaid in colour."""

import io
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion, generate_binary_structure

from hrcam.artifacts.map_colours import COLD, OPACITY, WARM, channels_of
from hrcam.artifacts.overlay_scale import UNIT

if TYPE_CHECKING:
    from PIL import Image

# Below the picture, in pixels: the colour scale, and the line that says where it ends.
_SCALE, _LINE = 5, 13
_GAP = 2
_MID_GREY = 90
_STRONGEST = 256
_OUTLINE = (90, 255, 90)
# Rows or columns of the picture for each pixel of an outline's width.
_PER_PIXEL = 250


def encode_overlay(
    picture: NDArray[np.float32],
    pattern: NDArray[np.float32],
    limit: float,
    labels: NDArray[np.uint16] | None = None,
) -> bytes:
    """Draw a pattern map over its picture: warm colours for the class, cold against it.

    Parameters
    ----------
    picture
        Grey values on any scale, shape (rows, columns).
    pattern
        Map of the same shape, in the root of standard deviations of the reference images. Zero is
        transparent.
    limit
        Value with the strongest colour, the same for all pictures of a cohort, above 0.
    labels
        Findings, 0 elsewhere, of the same shape; None for none. They are outlined.

    Returns
    -------
    Content of a PNG file: the picture in its own size, and below it the colour scale with its
    limit. A picture that is narrower than the words has black pixels on its right.
    """
    from PIL import Image

    low, high = np.percentile(picture, (0.5, 99.5))
    if low == high:
        low, high = picture.min(), picture.max()
    grey = np.clip((picture - low) / (high - low), 0, 1).astype(np.float32) * 255
    drawn = _coloured(grey, pattern / limit)
    if labels is not None:
        drawn[_outlines(labels)] = _OUTLINE
    overlaid = Image.fromarray(drawn)
    buffer = io.BytesIO()
    # More effort makes larger files of noise.
    _with_scale(overlaid, limit).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def _outlines(labels: NDArray[np.uint16]) -> NDArray[np.bool_]:
    """Return the border of each region, within it."""
    corners = generate_binary_structure(2, 2)
    width = max(1, round(min(labels.shape) / _PER_PIXEL))
    border = np.zeros(labels.shape, bool)
    for index in range(1, int(labels.max(initial=0)) + 1):
        region = labels == index
        border |= region & ~binary_erosion(region, corners, iterations=width)
    return border


def _with_scale(overlaid: "Image.Image", limit: float) -> "Image.Image":
    """Add a strip with the colours from -limit to limit, over mid-grey, and the limit."""
    from PIL import Image, ImageDraw

    words = f"±{limit:.3g} {UNIT}"
    needed = int(np.ceil(ImageDraw.Draw(overlaid).textlength(words))) + 2 * _GAP
    columns, rows = max(overlaid.width, needed), overlaid.height
    drawn = Image.new("RGB", (columns, rows + _GAP + _SCALE + _LINE))
    drawn.paste(overlaid, (0, 0))
    strength = np.broadcast_to(np.linspace(-1, 1, columns), (_SCALE, columns))
    scale = _coloured(np.full(strength.shape, _MID_GREY, np.float32), strength)
    drawn.paste(Image.fromarray(scale), (0, rows + _GAP))
    place = (columns / 2, rows + _GAP + _SCALE + _LINE / 2)
    ImageDraw.Draw(drawn).text(place, words, fill="white", anchor="mm")
    return drawn


def _coloured(grey: NDArray[np.float32], strength: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """Return red, green and blue of grey values from 0 to 255 with a map from -1 to 1 over them."""
    colour, opacity = _table()
    place = np.rint(np.clip(strength, -1, 1) * _STRONGEST).astype(np.int16) + _STRONGEST
    mixed = grey[..., None] + opacity[place] * (colour[place] - grey[..., None])
    rounded: NDArray[np.uint8] = np.round(mixed).astype(np.uint8)
    return rounded


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
