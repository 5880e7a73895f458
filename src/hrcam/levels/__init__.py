"""The levels of a network: where its feature maps are read, and how.

``find`` finds them among the ``candidates`` of a ``dry_run``; ``level`` says what one is.
``geometry`` follows where its positions lie in the image, and ``measure`` measures it where that is
not possible; ``layout`` makes a feature map of what a module returns. ``capture`` reads the maps
while the model runs, ``gradients`` the gradients of a score there. ``operators`` pool, contract and
interpolate a map.
"""

from hrcam.levels.find import find_levels
from hrcam.levels.level import Level, Levels

__all__ = ["Level", "Levels", "find_levels"]
