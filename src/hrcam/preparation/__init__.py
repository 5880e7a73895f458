"""From the space of an image to the grid of the network, and back again."""

from hrcam.errors import require

require(__name__, "cohort", "monai", "nibabel", "pydantic")

from hrcam.preparation.augmentation import augmentation
from hrcam.preparation.choice import choose_preparation
from hrcam.preparation.preparation import Preparation, PreparedImage

__all__ = ["Preparation", "PreparedImage", "augmentation", "choose_preparation"]
