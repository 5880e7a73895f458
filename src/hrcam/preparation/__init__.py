"""Transforms between the space of an image and the grid of the network."""

from hrcam.errors import require

require(__name__, "cohort", "monai", "nibabel", "pydantic")

from hrcam.preparation.augmentation import augmentation
from hrcam.preparation.choice import choose_preparation
from hrcam.preparation.preparation import Preparation, PreparedImage

__all__ = ["Preparation", "PreparedImage", "augmentation", "choose_preparation"]
