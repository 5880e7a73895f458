"""The levels of a network: found by a dry run, placed in the image, read as the model runs."""

from hrcam.levels.find import Level, Levels, find_levels

__all__ = ["Level", "Levels", "find_levels"]
