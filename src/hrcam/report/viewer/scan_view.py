"""Read the image and maps of a scan on the grid of the page."""

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from numpy.typing import NDArray

from hrcam.artifacts.map_file import read_map
from hrcam.artifacts.scan_record import KINDS, MapInput, ScanRecord
from hrcam.cohort.image import Colour
from hrcam.errors import InputError
from hrcam.report.viewer.page_grid import PageGrid

_WINDOW = (0.5, 99.5)


@dataclass(frozen=True, eq=False)
class ScanView:
    """Image and maps on the grid of the page.

    Attributes
    ----------
    grid
        Transform from the file to the page.
    image
        Grey values from 0 (0.5 percentile) to 255 (99.5), shape (x, y, z); None if the image
        could not be read.
    maps
        Each kind of map, shape (x, y, z).
    note
        Why there is no image, or which of several channels is shown.
    """

    grid: PageGrid
    image: NDArray[np.uint8] | None
    maps: Mapping[str, NDArray[np.float32]]
    note: str = ""


def read_grid(record: ScanRecord) -> PageGrid:
    """Read the grid of a scan's maps without their values.

    Raises
    ------
    InputError
        If the map is missing or damaged.
    """
    path = record.maps["pattern"]
    if path.suffix in (".npy", ".png"):
        return PageGrid(record.shape)
    try:
        header: Any = nibabel.load(path)
        return PageGrid(tuple(header.shape), np.asarray(header.affine, np.float64))
    except (OSError, ImageFileError, ValueError) as error:
        raise InputError(f"{path.name} cannot be read: {error}") from error


def read_view(record: ScanRecord, kinds: Collection[str] = KINDS) -> ScanView:
    """Read a scan's maps of some kinds and, if available, its image.

    Raises
    ------
    InputError
        If a map is missing, damaged, not finite, or of another grid than the first.
    """
    grid = read_grid(record)
    maps = {
        kind: _on_grid(grid, read_map(path, record.scaling.get(kind)), path)
        for kind, path in record.maps.items()
        if kind in kinds
    }
    image, note = _read_image(record, grid)
    return ScanView(grid, image, maps, note)


def _on_grid(grid: PageGrid, values: NDArray[np.float32], path: Path) -> NDArray[np.float32]:
    try:
        return grid.of(values)
    except InputError as error:
        raise InputError(f"{path.name} {error}") from error


def _read_image(record: ScanRecord, grid: PageGrid) -> tuple[NDArray[np.uint8] | None, str]:
    from hrcam.cohort.problems import ImageError
    from hrcam.cohort.reading import read_image

    if not record.sources:
        return None, "The image is not known; the maps are shown alone."
    path = record.sources[0]
    if not _was_mapped(record):
        note = "is not the file that was mapped, or was changed since"
        return None, f"The image {path.name} {note}; the maps are shown alone."
    try:
        # The mean over colour channels.
        values = grid.of(read_image(path).voxels.mean(0))
    except ImageError as error:
        # Without the folder: pages are shared, and paths may be confidential.
        return None, f"The image {path.name} cannot be shown ({error.message}); maps alone."
    except InputError as error:
        return None, f"The image {path.name} {error}; the maps are shown alone."
    channels = len(record.sources)
    note = f"Shown is {path.name}, the first of {channels} channels." if channels > 1 else ""
    return _grey(values), note


def _was_mapped(record: ScanRecord) -> bool:
    """Tell if the sources still are the scan: a record from elsewhere must not open other files.

    Copied files may have new times: then their voxels count.
    """
    from hrcam.cohort.problems import ImageError
    from hrcam.cohort.reading import read_scan
    from hrcam.cohort.scan import Scan
    from hrcam.cohort.voxel_hash import voxel_hash

    now = MapInput.of(record.scan, record.participant, None, record.sources, {})
    if now.source_modified is None or record.made_from(now):
        return True  # a file that is not there is for the reader to name
    if now.source_bytes != record.source_bytes:
        return False
    images = {str(number): path for number, path in enumerate(record.sources)}
    colours: tuple[Colour, ...] = ("luminance", "rgb")
    for colour in colours:
        scan = Scan(record.scan, record.participant, images, colour=colour)
        with suppress(ImageError):
            if voxel_hash(read_scan(scan)) == record.voxel_hash:
                return True
    return False


def _grey(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    dark, bright = np.percentile(values, _WINDOW)
    scaled = (values - dark) / max(float(bright - dark), np.finfo(np.float32).tiny)
    grey: NDArray[np.uint8] = (scaled.clip(0, 1) * 255).round().astype(np.uint8)
    return grey
