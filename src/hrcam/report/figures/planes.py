"""One subject's image, maps and truth, and the plane to show."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hrcam.errors import InputError


@dataclass(frozen=True, eq=False)
class Row:
    """One subject of a comparison figure.

    Attributes
    ----------
    label
        Text to the left of the row.
    image
        Grey values, shape (rows, columns) or, in 3D, (x, y, z) in RAS+ order (as from
        ``nibabel.as_closest_canonical``).
    maps
        Each method's map, same shape.
    truth
        Bool, same shape: the outline to draw. None, or empty: no outline.
    spacing
        Size of a pixel along each axis of the image; None if pixels are square.

    Raises
    ------
    InputError
        If the image is neither 2D nor 3D, shapes differ, a value is not a finite real number, the
        truth is not bool, or the spacing is not positive.
    """

    label: str
    image: NDArray[Any]
    maps: Mapping[str, NDArray[Any]]
    truth: NDArray[np.bool_] | None = None
    spacing: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        shape = self.image.shape
        if len(shape) not in (2, 3) or 0 in shape:
            raise InputError(f"{self.label}: an image is 2D or 3D, this one has shape {shape}.")
        for name, values in {"image": self.image, **self.maps}.items():
            if values.shape != shape:
                raise InputError(f"{self.label}: {name} has shape {values.shape}, not {shape}.")
            if values.dtype.kind not in "iuf":
                raise InputError(f"{self.label}: {name} holds {values.dtype}, not real numbers.")
            if not np.isfinite(values).all():
                raise InputError(f"{self.label}: {name} has values that are NaN or infinite.")
        if self.truth is not None and (self.truth.shape != shape or self.truth.dtype != np.bool_):
            raise InputError(f"{self.label}: the truth must be bool and of shape {shape}.")
        if self.spacing is not None and (len(self.spacing) != len(shape) or min(self.spacing) <= 0):
            raise InputError(f"{self.label}: spacing {self.spacing} does not fit shape {shape}.")


@dataclass(frozen=True, eq=False)
class Plane:
    """The shown plane of a row: arrays of shape (rows, columns), the first row on top.

    Attributes
    ----------
    image, maps, truth
        As in `Row`; the truth is None if this plane has none.
    aspect
        Height of a pixel over its width.
    axial
        Whether this is a slice of a volume, in radiological convention.
    """

    image: NDArray[Any]
    maps: Mapping[str, NDArray[Any]]
    truth: NDArray[np.bool_] | None
    aspect: float
    axial: bool

    @property
    def height(self) -> float:
        """Height of the image over its width."""
        rows, columns = self.image.shape
        return float(self.aspect * rows / columns)


def shown_plane(row: Row) -> Plane:
    """Return a 2D image as it is, and one axial plane of a volume.

    That is the plane with the largest true area; without truth, the one with the maximum of the
    first map; without maps, the middle plane.
    """
    truth = row.truth if row.truth is not None and row.truth.any() else None
    spacing = row.spacing or (1.0,) * row.image.ndim
    if row.image.ndim == 2:
        return Plane(row.image, row.maps, truth, spacing[0] / spacing[1], axial=False)
    index = _axial_index(row, truth)

    def axial(volume: NDArray[Any]) -> NDArray[Any]:
        # RAS+ to radiological: anterior on top, the subject's right on the left.
        return volume[::-1, ::-1, index].T

    return Plane(
        image=axial(row.image),
        maps={method: axial(values) for method, values in row.maps.items()},
        truth=None if truth is None else axial(truth),
        aspect=spacing[1] / spacing[0],
        axial=True,
    )


def _axial_index(row: Row, truth: NDArray[np.bool_] | None) -> int:
    if truth is not None:
        return int(truth.sum(axis=(0, 1)).argmax())
    for values in row.maps.values():
        return int(values.max(axis=(0, 1)).argmax())
    return int(row.image.shape[2]) // 2
