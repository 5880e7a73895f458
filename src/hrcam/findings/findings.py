"""What one image shows: its regions, and how it compares with control images."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hrcam.artifacts.control_table import RATE
from hrcam.artifacts.regions_table import Region, Unit


@dataclass(frozen=True, eq=False)
class Findings:
    """What `find_regions` found in the map of one image.

    Attributes
    ----------
    labels
        The index of the region at each voxel, 0 elsewhere, of the shape of the map.
    regions
        By falling peak; none if the image has no finding.
    unit
        Of sizes.
    smallest
        Smaller regions were left out.
    score
        Largest absolute value of the map, times the probability that the image is no control.
    control_share
        Share of control images that score as high; None without control images.
    controls
        Number of control images that it was compared with.
    """

    labels: NDArray[np.uint16]
    regions: tuple[Region, ...]
    unit: Unit
    smallest: float
    score: float
    control_share: float | None
    controls: int

    @property
    def as_in_controls(self) -> bool:
        """Whether more control images than `RATE` score as high as the image."""
        return self.control_share is not None and self.control_share > RATE
