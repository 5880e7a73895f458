"""The values of a map in a file: whole numbers with a scale, or single precision."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from hrcam.errors import InputError, require

require(__name__, "report", "nibabel", "PIL")

DataType = Literal["int16", "float32"]
"""Of the values in a file: whole numbers of 16 bits with a scale, or single precision."""

_STEPS = 500
_RUNS = 3  # Z_RLE of zlib
_ZERO, _STRIDE = 1 << 15, 64
"""Of a PNG file, whose numbers have no sign: the number of zero, and of one step."""


@dataclass(frozen=True)
class Scaling:
    """The values of a map that is in whole numbers: slope times number plus intercept.

    Attributes
    ----------
    slope, intercept
        Of the numbers in the file.
    largest_error
        By which a value may be off, at most 1/1000 of the largest absolute value of the map.
    """

    slope: float
    intercept: float
    largest_error: float

    def to_json(self) -> dict[str, float]:
        """Return plain content for a JSON file."""
        return {
            "Slope": self.slope,
            "Intercept": self.intercept,
            "LargestError": self.largest_error,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Read it again."""
        return cls(
            float(content["Slope"]), float(content["Intercept"]), float(content["LargestError"])
        )


@dataclass(frozen=True, eq=False)
class Steps:
    """A map in whole numbers of steps.

    Attributes
    ----------
    numbers
        From -500 to 500, of the shape of the map.
    step
        Value of one step, in single precision.
    """

    numbers: NDArray[np.int16]
    step: float

    @classmethod
    def of(cls, values: NDArray[np.float32]) -> Self:
        """Round a map to steps of 1/500 of its largest absolute value."""
        largest = float(np.abs(values).max(initial=0))
        step = float(np.float32(largest / _STEPS)) or 1.0
        return cls(np.rint(values / step).astype(np.int16), step)

    @property
    def scaling(self) -> Scaling:
        """The scale of the numbers as they are."""
        return Scaling(self.step, 0.0, self.step / 2)

    def to_png(self) -> tuple[bytes, Scaling]:
        """Encode as a grey PNG of 16 bits, in which zero is 32768, and give the scale of that."""
        from PIL import Image

        buffer = io.BytesIO()
        pixels = (_ZERO + _STRIDE * self.numbers.astype(np.int32)).astype(np.uint16)
        # A search for repeats finds runs alone in noise, and takes longer.
        Image.fromarray(pixels).save(buffer, format="PNG", compress_level=1, compress_type=_RUNS)
        slope = self.step / _STRIDE
        return buffer.getvalue(), Scaling(slope, -slope * _ZERO, self.step / 2)


def read_map(path: Path, scaling: Scaling | None = None) -> NDArray[np.float32]:
    """Read the values of a map.

    Parameters
    ----------
    path
        A NIfTI, PNG or ``.npy`` file.
    scaling
        As its record says. A NIfTI file has it in its own header.

    Raises
    ------
    InputError
        If the file is missing or damaged, or has values that are not finite.
    """
    try:
        values = _values(path, scaling)
    # For truncated files, gzip and zlib raise EOFError and zlib.error.
    except Exception as error:
        raise InputError(f"{path.name} cannot be read: {error}") from error
    if not np.isfinite(values).all():
        raise InputError(f"{path.name} has values that are NaN or infinite")
    return values


def _values(path: Path, scaling: Scaling | None) -> NDArray[np.float32]:
    if path.suffix == ".npy":
        return np.asarray(np.load(path, allow_pickle=False), np.float32)
    if path.suffix == ".png":
        from PIL import Image

        if scaling is None:
            raise ValueError("its record does not give the scale")
        with Image.open(path) as picture:
            numbers = np.asarray(picture, np.float64)
        return (scaling.slope * numbers + scaling.intercept).astype(np.float32)
    import nibabel

    file: Any = nibabel.load(path)
    return np.asarray(np.asanyarray(file.dataobj), np.float32)
