"""Colours of a map over a grey image: stronger means more opaque, zero shows the image itself."""

from dataclasses import dataclass

import numpy as np
from matplotlib.colors import ListedColormap
from numpy.typing import NDArray

_STEPS = 256
_OPACITY = 0.92
_WARM = ("#d7191c", "#f4511e", "#fb8c00", "#fdc835", "#ffe95c")
_COLD = ("#1747c9", "#1976e8", "#22a2f5", "#5fd0fb", "#9be9ff")


@dataclass(frozen=True)
class Scale:
    """How the values of one method become colours, the same in every row.

    Attributes
    ----------
    signed
        Whether the values run from -limit to limit (diverging) or from 0 to limit (sequential).
    limit
        The value with the strongest colour, above 0.
    """

    signed: bool
    limit: float

    @property
    def range(self) -> tuple[float, float]:
        """Values at the two ends of the colour map."""
        return (-self.limit if self.signed else 0.0), self.limit

    @property
    def colormap(self) -> ListedColormap:
        """Warm for values above zero and cold for those below; transparent at zero."""
        warm = _ramp(_WARM)
        if not self.signed:
            return ListedColormap(warm)
        return ListedColormap(np.concatenate([_ramp(_COLD)[::-1], warm]))


def _ramp(colours: tuple[str, ...]) -> NDArray[np.float64]:
    """RGBA from transparent to the last colour, shape (steps, 4)."""
    channels = np.array([[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in colours])
    position = np.linspace(0, 1, _STEPS)
    nodes = np.linspace(0, 1, len(colours))
    rgb = [np.interp(position, nodes, channel) for channel in channels.T]
    return np.stack([*rgb, _OPACITY * position], axis=1)
