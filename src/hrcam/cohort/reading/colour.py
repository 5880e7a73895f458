"""One intensity for each pixel of a picture in colour."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hrcam.cohort.problems import Caution, Reason

_LUMINANCE = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
_GREY = 20  # channels within a twentieth of their range are grey, as JPEG may leave it

COLOUR = Caution(
    Reason.COLOUR,
    "the picture is in colour: its luminance is used",
    "nothing, if the colours are marks or a scale; if they matter, save red, green and blue as "
    "grey pictures and give them as three channels (image_red, image_green, image_blue)",
)


def luminance(colours: NDArray[Any]) -> tuple[NDArray[np.float32], tuple[Caution, ...]]:
    """Return the luminance of red, green and blue, which is the grey value where all are equal.

    One channel for every picture: ultrasound machines and viewers write grey images as RGB, some
    of them with coloured callipers, and a cohort must not change its number of channels with
    them.

    Parameters
    ----------
    colours : array of unsigned integers, shape (rows, columns, 3)
        Red, green and blue.

    Returns
    -------
    grey : array, shape (rows, columns), float32
        In the unit of the channels.
    cautions : tuple of Caution
        That there were colours, if so.
    """
    grey = (colours @ _LUMINANCE).astype(np.float32)
    spread = int((colours.max(-1) - colours.min(-1)).max(initial=0))
    return grey, (COLOUR,) if spread > np.iinfo(colours.dtype).max // _GREY else ()
