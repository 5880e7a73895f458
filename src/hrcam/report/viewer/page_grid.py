"""The grid on which a page shows an image: in standard orientation."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation
from numpy.typing import NDArray

from hrcam.errors import InputError

VOLUME_LIMIT, PICTURE_LIMIT = 512, 4096
"""Most positions along an axis; browsers and memory end somewhere."""

_REDUCED_VOLUME, _REDUCED_PICTURE = 112, 512


@dataclass(frozen=True, eq=False)
class PageGrid:
    """Transform from the voxels of a file to (x, y, z) on the page.

    NIfTI and DICOM are reoriented to the closest RAS+ axes. Pictures become (columns, rows, 1).
    Axes that are too long are averaged in blocks of whole voxels.

    Attributes
    ----------
    shape
        Spatial shape in the file, two or three axes.
    affine
        Affine of the file, from voxels to RAS+ mm, shape (4, 4); None for pictures and arrays.
    reduced
        Whether it is for maps of a group, which need less detail than those of a scan.
    """

    shape: tuple[int, ...]
    affine: NDArray[np.float64] | None = None
    reduced: bool = False

    def __post_init__(self) -> None:
        if len(self.shape) not in (2, 3) or 0 in self.shape:
            raise InputError(f"a map of shape {self.shape} has neither two nor three axes")
        if self.affine is not None and np.isnan(self._orientation).any():
            raise InputError("its affine is singular")

    @property
    def is_volume(self) -> bool:
        """Whether all three axes have more than one voxel."""
        return sum(size > 1 for size in self._upright_shape) == 3

    @property
    def page_shape(self) -> tuple[int, int, int]:
        """Shape on the page, (x, y, z)."""
        x, y, z = (
            -(-size // block) for size, block in zip(self._upright_shape, self.blocks, strict=True)
        )
        return x, y, z

    @property
    def blocks(self) -> tuple[int, int, int]:
        """Number of image voxels per page voxel, along each axis."""
        limit = VOLUME_LIMIT if self.is_volume else PICTURE_LIMIT
        blocks = [-(-size // limit) for size in self._upright_shape]
        if self.reduced:
            blocks = [block * further for block, further in zip(blocks, self._further, strict=True)]
        x, y, z = blocks
        return x, y, z

    @property
    def page_affine(self) -> NDArray[np.float64]:
        """From voxels of the page to mm, or to (column, row) of a picture; shape (4, 4)."""
        blocks = np.array(self.blocks, float)
        to_upright = np.diag([*blocks, 1.0])
        to_upright[:3, 3] = (blocks - 1) / 2
        if self.affine is None:
            return to_upright
        native: NDArray[np.float64] = (
            self.affine @ inv_ornt_aff(self._orientation, self._stored)  # type: ignore[no-untyped-call]
        )
        return native @ to_upright

    @property
    def spacing(self) -> tuple[float, ...]:
        """Size of a voxel of the page along each axis."""
        lengths = np.sqrt((self.page_affine[:3, :3] ** 2).sum(0))
        return tuple(float(length) for length in lengths)

    def reduce(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Average values on this grid to those on the reduced one."""
        return _block_means(values, self._further)

    def of(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Transform values from the file's grid, with or without axes of length 1, to the page.

        Raises
        ------
        InputError
            If they have another shape.
        """
        kept = tuple(size for size in self.shape if size > 1)
        if tuple(size for size in values.shape if size > 1) != kept:
            raise InputError(f"has the shape {values.shape}, not {self.shape}")
        values = values.reshape(self._stored)
        if self.affine is not None:
            upright = apply_orientation(values, self._orientation)  # type: ignore[no-untyped-call]
        elif len(self.shape) == 2:
            upright = values.transpose(1, 0, 2)
        else:
            upright = values
        return _block_means(upright, self.blocks)

    @property
    def _further(self) -> tuple[int, int, int]:
        """Blocks from the full grid to the reduced one."""
        limit = _REDUCED_VOLUME if self.is_volume else _REDUCED_PICTURE
        x, y, z = (-(-size // limit) for size in replace(self, reduced=False).page_shape)
        return x, y, z

    @property
    def _stored(self) -> tuple[int, ...]:
        return self.shape + (1,) * (3 - len(self.shape))

    @cached_property
    def _orientation(self) -> NDArray[np.float64]:
        orientation: NDArray[np.float64] = io_orientation(self.affine)  # type: ignore[no-untyped-call]
        return orientation

    @property
    def _upright_shape(self) -> tuple[int, ...]:
        if self.affine is None:
            rows, columns, depth = self._stored
            return (columns, rows, depth) if len(self.shape) == 2 else self._stored
        placed = [0, 0, 0]
        for axis, target in enumerate(self._orientation[:, 0].astype(int)):
            placed[target] = self._stored[axis]
        return tuple(placed)


def _block_means(values: NDArray[np.float32], blocks: tuple[int, int, int]) -> NDArray[np.float32]:
    """Return means over blocks; the last block is padded with edge values."""
    if blocks == (1, 1, 1):
        return np.ascontiguousarray(values, dtype=np.float32)
    padding = [(0, -size % block) for size, block in zip(values.shape, blocks, strict=True)]
    padded = np.pad(values, padding, mode="edge")
    nested = [part for size, block in zip(padded.shape, blocks, strict=True)
              for part in (size // block, block)]  # fmt: skip
    means: NDArray[np.float32] = padded.reshape(nested).mean((1, 3, 5), dtype=np.float32)
    return means
