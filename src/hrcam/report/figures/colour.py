"""Colour scales of maps over grey images: opacity increases with the absolute value."""

from dataclasses import dataclass

import numpy as np
from matplotlib.colors import ListedColormap
from numpy.typing import NDArray

from hrcam.artifacts.map_colours import COLD, OPACITY, WARM, channels_of

_STEPS = 256


@dataclass(frozen=True)
class Scale:
    """The colour scale of one method, the same in every row.

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
        warm = _ramp(WARM)
        if not self.signed:
            return ListedColormap(warm)
        return ListedColormap(np.concatenate([_ramp(COLD)[::-1], warm]))


def _ramp(colours: tuple[str, ...]) -> NDArray[np.float64]:
    """RGBA from transparent to the last colour, shape (steps, 4)."""
    channels = np.array(channels_of(colours)) / 255
    position = np.linspace(0, 1, _STEPS)
    nodes = np.linspace(0, 1, len(colours))
    rgb = [np.interp(position, nodes, channel) for channel in channels.T]
    return np.stack([*rgb, OPACITY * position], axis=1)
