"""A simulated subject: image, class, masks and affine."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Subject:
    """A simulated subject.

    Attributes
    ----------
    image : ndarray, shape (*spatial), float32
        Image from 0 to 1, with a mean of 0.5 over the brain.
    label : int
        0 or 1; the cohort's ``labels`` name them.
    mask : ndarray, shape (*spatial), bool
        Where the pathology is; empty where there is none.
    tissue : ndarray, shape (*spatial), bool
        Grey and white matter.
    affine : ndarray, shape (4, 4)
        From voxel indices (a slice has a third index, 0) to MNI millimetres.
    regions : mapping of str to ndarray, shape (*spatial), bool or uint8
        Further masks, by name; whole numbers are labels, 0 the background.
    """

    image: NDArray[np.float32]
    label: int
    mask: NDArray[np.bool_]
    tissue: NDArray[np.bool_]
    affine: NDArray[np.float64]
    regions: Mapping[str, NDArray[np.bool_] | NDArray[np.uint8]] = field(default_factory=dict)
