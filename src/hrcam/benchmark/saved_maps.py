"""Save the maps of some subjects of a unit, for repeatability over seeds and for a figure."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from nibabel.orientations import apply_orientation, io_orientation
from numpy.typing import NDArray

from hrcam.artifacts.atomic import write_atomically
from hrcam.benchmark.images.measured import MeasuredImages, sample_images
from hrcam.benchmark.layout import EXAMPLES, MAPS
from hrcam.benchmark.measures.localisation import Mapper, SubjectMaps
from hrcam.benchmark.variant import Variant
from hrcam.cohort import Scan
from hrcam.cohort.image import Image
from hrcam.cohort.reading import read_mask, read_scan
from hrcam.report.figures.comparison import comparison_figure
from hrcam.report.figures.planes import Row
from hrcam.report.figures.style import png

_SUBJECTS = 20
_SHOWN = 4


def save_maps(
    mapper: Mapper, measured: MeasuredImages, variants: Sequence[Variant], folder: Path
) -> None:
    """Write ``maps.npz`` and ``examples.png``.

    Parameters
    ----------
    mapper
        Maps images by all methods, including ``variants``.
    measured
        Images; up to 20 with a lesion are mapped, the same for all seeds.
    variants
        Variants to save, in the order of the figure.
    folder
        Folder of the unit. Maps are named ``subject/variant``, in half precision, scaled to a
        largest absolute value of 1 for precision.
    """
    kept: dict[str, SubjectMaps] = {}
    scans: list[Scan] = []
    for images in sample_images(measured.lesions, _SUBJECTS):
        for place, maps in mapper(images):
            scan = images.scans[place]
            kept[scan.name] = {variant: maps[variant] for variant in variants}
            scans.append(scan)
    arrays = {
        f"{name}/{variant.name}": _scaled(values)
        for name, maps in sorted(kept.items())
        for variant, values in maps.items()
    }
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)  # type: ignore[arg-type]
    write_atomically(folder / MAPS, content.getvalue())
    shown = sorted(scans, key=lambda scan: scan.name)[:_SHOWN]
    rows = [_row(scan, kept[scan.name]) for scan in shown]
    write_atomically(folder / EXAMPLES, png(comparison_figure(rows)))


def _scaled(values: NDArray[np.float32]) -> NDArray[np.float16]:
    largest = float(np.abs(values).max()) or 1.0
    return (values / largest).astype(np.float16)


def _row(scan: Scan, maps: Mapping[Variant, NDArray[np.float32]]) -> Row:
    image = read_scan(scan)
    truth = None if scan.mask is None else read_mask(scan.mask, image)
    return Row(
        str(scan.label),
        _upright(image.voxels[0], image),
        {variant.name: _upright(values, image) for variant, values in maps.items()},
        None if truth is None else _upright(truth, image),
        _upright_spacing(image),
    )


def _upright(values: NDArray[Any], image: Image) -> NDArray[Any]:
    """Reorient a volume to right, anterior, superior; return a picture as it is."""
    if values.ndim != 3:
        return values
    turned: NDArray[Any] = apply_orientation(values, _orientation(image))  # type: ignore[no-untyped-call]
    return turned


def _upright_spacing(image: Image) -> tuple[float, ...]:
    if len(image.shape) != 3:
        return image.spacing
    order = _orientation(image)[:, 0].tolist()
    return tuple(image.spacing[order.index(axis)] for axis in range(3))


def _orientation(image: Image) -> NDArray[np.float64]:
    found: NDArray[np.float64] = io_orientation(image.affine)  # type: ignore[no-untyped-call]
    return found
