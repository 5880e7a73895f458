"""Pictures in colour as one channel, their luminance, or as three."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hrcam.cohort.image import Colour
from hrcam.cohort.problems import Caution, Reason

_LUMINANCE = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
_GREY = 20  # channels within a twentieth of their range are grey, as JPEG may leave it

COLOUR = Caution(
    Reason.COLOUR,
    "the picture is in colour: its luminance is used",
    "nothing, if the colours are marks or a scale; if they matter, keep them as three channels "
    "with --colour rgb (colour='rgb')",
)


def colour_channels(
    colours: NDArray[Any], colour: Colour
) -> tuple[NDArray[np.float32], tuple[Caution, ...]]:
    """Return the channels of a picture in red, green and blue.

    One channel is the default for every picture: ultrasound machines and viewers write grey images
    as RGB, some of them with coloured callipers, and a cohort must not change its number of
    channels with them.

    Parameters
    ----------
    colours : array of unsigned integers, shape (rows, columns, 3)
        Red, green and blue.
    colour : {"luminance", "rgb"}
        One channel or three. The luminance is the grey value where all three are equal.

    Returns
    -------
    channels : array, shape (C, rows, columns), float32
        In the unit of the colours.
    cautions : tuple of Caution
        That there were colours, if they are not kept.
    """
    if colour == "rgb":
        return np.moveaxis(colours, -1, 0).astype(np.float32), ()
    grey = (colours @ _LUMINANCE).astype(np.float32)
    spread = int((colours.max(-1) - colours.min(-1)).max(initial=0))
    return grey[None], (COLOUR,) if spread > np.iinfo(colours.dtype).max // _GREY else ()


def grey_channels(grey: NDArray[np.float32], colour: Colour) -> NDArray[np.float32]:
    """Return the channels of a grey picture: one, or for "rgb" three equal ones."""
    return np.repeat(grey[None], 3 if colour == "rgb" else 1, axis=0)
