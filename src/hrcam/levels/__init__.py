"""The levels of a network: where its feature maps are read, and how.

``find`` finds them by a ``dry_run``; ``level`` says what one is, ``geometry`` where its positions
lie in the image. ``capture`` reads the maps while the model runs, ``gradients`` the gradients of a
score there. ``operators`` pool, contract and interpolate a map.
"""

from hrcam.levels.find import find_levels
from hrcam.levels.level import Level, Levels

__all__ = ["Level", "Levels", "find_levels"]
