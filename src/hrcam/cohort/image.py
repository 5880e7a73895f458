"""A decoded image: its voxels, and where they are in the patient."""

from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from hrcam.cohort.problems import Caution

Format = Literal["nifti", "analyze", "mgh", "dicom", "picture", "array"]
"""What an image was read from; it decides what its maps are written as."""

Colour = Literal["luminance", "rgb"]
"""What becomes of a picture in colour: one channel, its luminance, or red, green and blue."""

PLACED: frozenset[Format] = frozenset(("nifti", "analyze", "mgh", "dicom"))
"""Formats that say in millimetres where their voxels are in the patient."""


@dataclass(frozen=True, eq=False)
class ImageSpace:
    """Where the voxels of an image are, without the voxels.

    Attributes
    ----------
    format, shape, stored_shape, affine
        As in `Image`.
    """

    format: Format
    shape: tuple[int, ...]
    stored_shape: tuple[int, ...]
    affine: NDArray[np.float64]

    @classmethod
    def of(cls, image: "Image") -> Self:
        """Take it from an image, whose voxels are not kept."""
        return cls(image.format, image.shape, image.stored_shape, image.affine)

    @property
    def index_to_mm(self) -> NDArray[np.float64] | None:
        """From an index for each axis to mm, shape (4, axes + 1); None without a place in space."""
        if self.format not in PLACED:
            return None
        return self.affine[:, [*spatial_axes(self.shape, self.stored_shape), 3]]

    def empty_image(self) -> "Image":
        """Return an image of this space whose values are all 0, which takes no memory."""
        voxels = np.broadcast_to(np.float32(0), (1, *self.shape))
        return Image(voxels, self.affine, self.stored_shape, self.format)


@dataclass(frozen=True)
class Image:
    """One image of a scan, or several of one grid as its channels.

    Attributes
    ----------
    voxels
        Shape (C, *spatial), finite. Volumes and NIfTI slices in the file's own order of axes
        (DICOM: columns, rows, slices), pictures as (rows, columns).
    affine
        From voxel indices to RAS+ millimetres, shape (4, 4), exactly as in the file. A slice
        keeps its place in space; a picture or an array has the identity.
    stored_shape
        Spatial shape in the file, with the axes of length 1 that ``voxels`` leaves out: a NIfTI
        slice of (64, 64, 1) has voxels (1, 64, 64).
    format
        What it was read from.
    form_codes
        NIfTI's sform and qform codes, to be written again; zeros for other formats.
    cautions
        What a reader should know of an image that can be used: a sheared affine, no orientation,
        colours that were reduced to grey.
    encoding
        How the file stores its values: "int16", of a picture "JPEG RGB", of DICOM "12 bits, JPEG
        2000 Image Compression"; "" of an image that is not of a file.
    """

    voxels: NDArray[np.float32]
    affine: NDArray[np.float64]
    stored_shape: tuple[int, ...]
    format: Format
    form_codes: tuple[int, int] = (0, 0)
    cautions: tuple[Caution, ...] = ()
    encoding: str = ""

    @property
    def shape(self) -> tuple[int, ...]:
        """The spatial shape, two or three axes."""
        return self.voxels.shape[1:]

    @property
    def axes(self) -> tuple[int, ...]:
        """Which columns of the affine the spatial axes are: not 0 and 1 in a sagittal slice."""
        return spatial_axes(self.shape, self.stored_shape)

    @property
    def spacing(self) -> tuple[float, ...]:
        """Distance between voxels along each spatial axis, in mm; 1 for pictures and arrays."""
        lengths = np.sqrt((self.affine[:3, :3] ** 2).sum(0))
        return tuple(float(lengths[axis]) for axis in self.axes)


def spatial_axes(shape: tuple[int, ...], stored_shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return which columns of the affine the axes of an image are, by its shapes as in `Image`."""
    kept = [axis for axis, size in enumerate(stored_shape) if size > 1]
    return tuple(kept) if len(kept) == len(shape) else tuple(range(len(shape)))
