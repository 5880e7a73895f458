"""What DICOM objects say of a map, beside its values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Unit = Literal["mm3", "mm2", "voxels", "pixels"]
"""Of the size of a region: without a scale in mm, voxels of volumes and pixels of pictures."""


@dataclass(frozen=True)
class About:
    """Whose map it is, and what made it.

    Attributes
    ----------
    map_class, predicted
        The class that the map explains, and the most probable one.
    probabilities
        Of each class, by name, in the order of the classes.
    training
        What tells the training from others: digits of a hash.
    version
        Of hrcam.
    folds
        Whose networks made the map, counted from 1.
    seen_in_training
        Whether these networks were trained on the scan.
    """

    map_class: str
    predicted: str
    probabilities: Mapping[str, float]
    training: str
    version: str
    folds: tuple[int, ...]
    seen_in_training: bool


@dataclass(frozen=True)
class Region:
    """A connected part of a map that stands out.

    Attributes
    ----------
    index
        Its value in the label image, from 1.
    size
        Volume, or area in 2D, in the unit of its `Findings`.
    peak_value
        The map at its largest absolute value, signed.
    mean
        Mean of the map's absolute values.
    std
        Mean of the standard deviations of the map; None without a bootstrap.
    evidence_share
        Share of the image's positive evidence that lies here; None without the evidence.
    control_share
        Share of control images that score as high as its peak; None without control images.
    """

    index: int
    size: float
    peak_value: float
    mean: float
    std: float | None
    evidence_share: float | None
    control_share: float | None


@dataclass(frozen=True, eq=False)
class Findings:
    """The regions of one map.

    Attributes
    ----------
    labels
        The index of the region at each voxel, 0 elsewhere, of the shape of the map.
    regions
        None if the image has no finding.
    unit
        Of sizes.
    """

    labels: NDArray[np.uint16]
    regions: tuple[Region, ...]
    unit: Unit
