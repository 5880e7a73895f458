"""Preparation: resample and normalise every image of a cohort for the network."""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from hrcam.cohort.foreground import foreground_box
from hrcam.cohort.image import Colour, Image
from hrcam.cohort.problems import ImageError, Reason
from hrcam.errors import InputError
from hrcam.preparation.grid import Grid, place_grid
from hrcam.preparation.intensities import intensity_scale


@dataclass(frozen=True)
class PreparedImage:
    """An image on the grid of the network, with the transforms between both spaces.

    Attributes
    ----------
    voxels
        Shape (C, *shape): the foreground of each channel has about mean 0 and standard
        deviation 1.
    grid
        Where its positions lie in the image.
    """

    voxels: NDArray[np.float32]
    grid: Grid = field(repr=False)

    @property
    def inside(self) -> NDArray[np.bool_]:
        """Positions of the grid that lie in the image, shape (*shape); the rest is padding."""
        return self.grid.inside

    def from_native(self, values: NDArray[Any]) -> NDArray[Any]:
        """Resample values in the voxels of the image, such as a mask, to the grid.

        Parameters
        ----------
        values
            Shape (..., *image.shape), single or double precision.

        Returns
        -------
        Array of shape (..., *shape), of the same precision.
        """
        return self.grid.from_native(values)

    def to_native(self, values: NDArray[Any]) -> NDArray[Any]:
        """Resample a map from the grid to the voxels of the image.

        Parameters
        ----------
        values
            Shape (..., *shape), single or double precision.

        Returns
        -------
        Array of shape (..., *image.shape), of the same precision; 0 in voxels outside the
        grid, which the network did not see.

        Raises
        ------
        InputError
            If the map is not on this grid.
        """
        shape = self.grid.shape
        if values.shape[-len(shape) :] != shape:
            raise InputError(
                f"the map has the shape {values.shape}: it must end in that of the grid, {shape}"
            )
        return self.grid.to_native(values)


class Preparation(BaseModel):
    """Parameters that turn images into arrays of one shape: grid, position and intensities.

    It is not fitted to voxels, so all folds can share one preparation without leakage.

    Attributes
    ----------
    dimensions
        2 or 3.
    channels
        Names of the images of each scan.
    in_channels
        Number of channels of the arrays; larger than the number of names for colour images.
    shape
        Shape of the grid.
    spacing
        Spacing of the grid in mm along its axes. None for images without a scale: each is scaled
        to fit the grid, with its aspect ratio, and centred.
    orientation
        "RAS": the image's own axes, reordered and flipped to the closest of right, anterior and
        superior; a slice keeps its two. "stored": the axes of the file.
    left_right
        Axis of the grid from left to right, along which training may mirror images; None if there
        is none.
    crop_to_foreground
        Centre the grid on the bounding box of the foreground instead of the image. It does not
        change the scale.
    colour
        Channels of colour pictures: "luminance", or "rgb" for three channels.
    normalisation
        "z-score": per image and channel, over the foreground.
    clip_percentiles
        Percentiles to which intensities are clipped first.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    dimensions: Literal[2, 3]
    channels: Annotated[tuple[str, ...], Field(min_length=1)]
    in_channels: Annotated[int, Field(ge=1)]
    shape: tuple[Annotated[int, Field(ge=1)], ...]
    spacing: tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], ...] | None
    orientation: Literal["RAS", "stored"]
    left_right: Annotated[int, Field(ge=0)] | None
    crop_to_foreground: bool
    colour: Colour = "luminance"
    normalisation: Literal["z-score"] = "z-score"
    clip_percentiles: tuple[float, float] = (0.5, 99.5)

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        for name, value in (("shape", self.shape), ("spacing", self.spacing)):
            if value is not None and len(value) != self.dimensions:
                raise ValueError(f"{name} is {value}: it needs {self.dimensions} values")
        if self.left_right is not None and self.left_right >= self.dimensions:
            raise ValueError(f"left_right is {self.left_right}: it is an axis of the grid")
        low, high = self.clip_percentiles
        if not 0 <= low < high <= 100:
            raise ValueError(f"clip_percentiles is {low}, {high}: they rise, from 0 to 100")
        return self

    def apply(self, image: Image) -> PreparedImage:
        """Resample an image to the grid by one interpolation, and normalise its intensities.

        Parameters
        ----------
        image
            An image of any size, spacing and orientation.

        Returns
        -------
        The input of the network, with the transforms between both spaces.

        Raises
        ------
        ImageError
            If the image has other channels or another number of axes, if it has no scale in mm
            but the grid has, or if a channel is constant.
        """
        self._check(image)
        centre = tuple((size - 1) / 2 for size in image.shape)
        if self.crop_to_foreground:
            box = foreground_box(image.voxels)
            centre = tuple((part.start + part.stop - 1) / 2 for part in box)
        grid = place_grid(image, self.shape, self.spacing, centre, self.orientation == "RAS")
        inside = grid.inside
        voxels = np.empty((self.in_channels, *self.shape), np.float32)
        for prepared, channel in zip(voxels, image.voxels, strict=True):
            scale = intensity_scale(channel, self.clip_percentiles)
            sampled = grid.from_native(np.clip(channel, scale.low, scale.high))
            prepared[...] = (sampled - np.float32(scale.mean)) / np.float32(scale.deviation)
            prepared[~inside] = scale.padding
        return PreparedImage(voxels, grid)

    def _check(self, image: Image) -> None:
        if len(image.shape) != self.dimensions:
            raise ImageError(
                Reason.MIXED_DIMENSIONS,
                f"the image has {len(image.shape)} axes, {image.shape}, and the network takes "
                f"{self.dimensions}",
                "use a network of the image's dimensions, or export the other kind of image",
            )
        if len(image.voxels) != self.in_channels:
            raise ImageError(
                Reason.CHANNEL_MISMATCH,
                f"the image has {len(image.voxels)} channels, and the network takes "
                f"{self.in_channels}: {', '.join(self.channels)}",
                "give the same images of each scan, all grey or all in colour",
            )
        if self.spacing is not None and image.format in ("picture", "array"):
            raise ImageError(
                Reason.WRONG_FORMAT,
                f"the image is a {image.format} without a scale, and the network takes millimetres",
                "give the image as NIfTI or DICOM",
            )
