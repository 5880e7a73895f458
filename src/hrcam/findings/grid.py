"""The grid of a map in millimetres: the size of a voxel, and where it lies."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hrcam.artifacts.regions_table import Unit
from hrcam.errors import InputError

_IN_MM: dict[int, Unit] = {2: "mm2", 3: "mm3"}
_WITHOUT_SCALE: dict[int, Unit] = {2: "pixels", 3: "voxels"}


@dataclass(frozen=True, eq=False)
class MapGrid:
    """Where the voxels of a map are.

    Attributes
    ----------
    affine
        From voxel indices to mm, without its last row, shape (mm axes, axes + 1); None where there
        is no scale.
    voxel
        Size of a voxel.
    unit
        Of sizes.
    """

    affine: NDArray[np.float64] | None
    voxel: float
    unit: Unit

    @classmethod
    def of(cls, affine: ArrayLike | None, axes: int) -> Self:
        """Take it from a homogeneous affine for a map of 2 or 3 axes.

        Raises
        ------
        InputError
            If the affine does not fit the axes, or is singular.
        """
        if axes not in _IN_MM:
            raise InputError(f"the map has {axes} axes: pass the map of one image, of 2 or 3 axes")
        if affine is None:
            return cls(None, 1.0, _WITHOUT_SCALE[axes])
        matrix = np.asarray(affine, np.float64)
        if matrix.shape not in ((axes + 1, axes + 1), (4, axes + 1)):
            raise InputError(
                f"the affine has the shape {matrix.shape}: that of a map of {axes} axes is "
                f"({axes + 1}, {axes + 1}) or (4, {axes + 1})"
            )
        steps = matrix[:-1, :-1]
        voxel = float(np.sqrt(np.linalg.det(steps.T @ steps)))
        if not 0 < voxel < np.inf:
            raise InputError("the affine is singular: its voxels have no size")
        return cls(matrix[:-1], voxel, _IN_MM[axes])

    def in_mm(self, index: tuple[int, ...]) -> tuple[float, ...] | None:
        """Return where a voxel is; None without a scale."""
        if self.affine is None:
            return None
        return tuple((self.affine @ (*index, 1)).tolist())
