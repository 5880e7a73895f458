"""Pack the samples of images and maps as text of a page, with 8 bits each.

The script on the page decodes them itself. A canvas is no option, because browsers that prevent
fingerprinting add noise to values read from it.
"""

import base64
import json
import zlib
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

_STEPS = 127


def pack(samples: NDArray[np.uint8] | NDArray[np.int8]) -> str:
    """Pack 8-bit samples, x fastest: differences between neighbours, deflated, in base64."""
    flat = samples.ravel(order="F").view(np.uint8)
    differences = np.diff(flat, prepend=np.uint8(0))
    return base64.b64encode(zlib.compress(differences.tobytes(), 9)).decode("ascii")


def quantise(values: NDArray[np.float32]) -> tuple[NDArray[np.int8], float]:
    """Round a map to whole steps of its largest absolute value over 127; zero stays zero.

    Returns
    -------
    steps, step
        The map is ``steps * step``, to half a step.
    """
    step = float(np.abs(values).max()) / _STEPS or 1.0
    return np.round(values / step).astype(np.int8), step


def script_json(content: Any) -> Markup:
    """Encode JSON for a script element, which no text in it can close."""
    text = json.dumps(content, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)
