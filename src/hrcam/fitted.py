"""What ``fit`` learns, and keeps."""

from dataclasses import dataclass

from hrcam.fusion import LevelFusion
from hrcam.head import Head
from hrcam.levels import Levels
from hrcam.sensitivity import Sensitivity


@dataclass(frozen=True)
class Fitted:
    """All that maps are made with, besides the model.

    Attributes
    ----------
    head
        Over the pooled features of all levels.
    fusion
        How the level maps become one.
    sensitivity
        Where the decision depends on the image.
    """

    head: Head
    fusion: LevelFusion
    sensitivity: Sensitivity

    @property
    def levels(self) -> Levels:
        """Where feature maps are read, from the coarsest to the finest."""
        return self.fusion.levels
